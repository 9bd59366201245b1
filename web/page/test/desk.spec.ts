import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { countsOf, listsOf } from "../src/desk/lists.js";
import { SCAN_GAP, ScanReader } from "../src/desk/scan_reader.js";
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

describe("the keys at the desk", () => {
    beforeEach(() => void vi.useFakeTimers());
    afterEach(() => void vi.useRealTimers());
    const noted: string[] = [];
    const reader = () => {
        noted.length = 0;
        return new ScanReader({
            single: () => noted.push("single"),
            scanned: (text, isWhole) => noted.push(`${text}${isWhole ? " whole" : ""}`),
        });
    };
    const press = (into: ScanReader, ...keys: string[]): readonly boolean[] => keys.map(key => into.read(key));

    it("are a scan when they are fast and end with Enter", () => {
        expect(press(reader(), "Shift", "D", "-", "7", "Enter")).toEqual([false, true, true, true, true]);
        expect(noted).toEqual(["D-7 whole"]);
    });

    it("are a single key when no other one follows", () => {
        const keys = reader();
        press(keys, "b");
        vi.advanceTimersByTime(SCAN_GAP);
        press(keys, "d");
        vi.advanceTimersByTime(SCAN_GAP);
        expect(noted).toEqual(["single", "single"]);
    });

    it("are typed text when they are fast without Enter", () => {
        press(reader(), "d", "o");
        vi.advanceTimersByTime(SCAN_GAP);
        expect(noted).toEqual(["do"]);
    });

    it("leave Enter, space and slash to the page", () => {
        expect(press(reader(), "Enter", " ", "/")).toEqual([false, false, false]);
        expect(press(reader(), "b", "Enter")).toEqual([true, false]);
        expect(noted).toEqual(["single"]);
    });
});
