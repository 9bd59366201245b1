import { describe, expect, it } from "vitest";
import { countsOf, listsOf } from "../src/desk/lists.js";
import { KeyOfBody } from "../src/desk/walk_in.js";
import { anAppointment, at, NOON } from "./appointments.js";

const ids = (items: readonly { appointment_id: number }[]): readonly number[] => items.map(item => item.appointment_id);

describe("the lists of the desk", () => {
    it("tell late patients from those of this hour and those of later", () => {
        const items = [-30, -0.5, 59, 61].map((minutes, index) =>
            anAppointment({ appointment_id: index, scheduled_at: at(minutes), present: false }),
        );

        const lists = listsOf(items, [], [], NOON);

        expect([ids(lists.late), ids(lists.now), ids(lists.later)]).toEqual([[0], [1, 2], [3]]);
    });

    it("do not call a patient in the house late", () => {
        const lists = listsOf([anAppointment({ scheduled_at: at(-30), present: true })], [], [], NOON);

        expect([lists.late.length, lists.now.length]).toEqual([0, 1]);
    });

    it("put a patient who left with the canceled ones", () => {
        const left = anAppointment({ appointment_id: 1, scheduled_at: at(-30), left_at: at(-5) });
        const canceled = anAppointment({ appointment_id: 2, status: "canceled" });

        const lists = listsOf([left], [], [canceled], NOON);

        expect([ids(lists.over), lists.late.length]).toEqual([[1, 2], 0]);
    });

    it("begin the arrived ones with the longest in the house", () => {
        const arrived = [-5, -20].map((minutes, index) =>
            anAppointment({ appointment_id: index, status: "pending", checked_in_at: at(minutes) }),
        );

        expect(ids(listsOf([], arrived, [], NOON).arrived)).toEqual([1, 0]);
    });
});

describe("the counts of the desk", () => {
    const lists = listsOf([anAppointment()], [anAppointment({ status: "pending" })], [], NOON);

    it("count the rows that the server has and the page has not read", () => {
        const counts = countsOf(lists, { expected: 0, arrived: 43, canceled: 7 });
        expect([counts.now, counts.arrived, counts.over]).toEqual([
            { n: 1, more: false },
            { n: 44, more: false },
            { n: 7, more: false },
        ]);
    });

    it("say that there are more where only the unread rows know their tab", () => {
        const counts = countsOf(lists, { expected: 1, arrived: 0, canceled: 0 });
        expect([counts.now.more, counts.late.more, counts.later.more, counts.arrived.more]).toEqual([
            true,
            true,
            true,
            false,
        ]);
    });
});

describe("the key of a walk-in", () => {
    it("is the same for the same body, and another one for another body", () => {
        const keys = new KeyOfBody();
        const body = { patient_id: 1, doctor_id: 7, prestation_id: 11 };

        const first = keys.of(body);

        expect(keys.of({ ...body })).toBe(first);
        expect(keys.of({ ...body, doctor_id: 8 })).not.toBe(first);
    });
});
