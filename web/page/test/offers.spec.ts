import { expect, test } from "vitest";
import { type EndedWait, endedWaitsAfter } from "../src/ended_waits.js";
import { countCalls, type Offer, openOffers } from "../src/offers.js";
import { anAppointment, at, ME, NOON, OTHER } from "./appointments.js";

const forMe = { state: "reserved", doctor_id: ME, until: at(1) } as const;
const johnDoe = { patient_id: 123, patient_name: "John Doe", timestamp: at(0) };

const afterEvents = (...events: { name: string; data: Record<string, unknown> }[]): readonly EndedWait[] =>
    events.reduce<readonly EndedWait[]>((waits, event) => endedWaitsAfter(waits, event, ME), []);

test("the list alone has the open offers, as after a reload", () => {
    const items = [
        anAppointment({ appointment_id: 1, patient_id: 1 }, { ...forMe, kind: "offered" }),
        anAppointment({ appointment_id: 2, patient_id: 2 }, { ...forMe, kind: "transferred" }),
        anAppointment({ appointment_id: 3, patient_id: 3 }, { ...forMe, kind: "called" }),
        anAppointment({ appointment_id: 4, patient_id: 4 }, { ...forMe, doctor_id: OTHER, kind: "offered" }),
        anAppointment({ appointment_id: 5, patient_id: 5 }, { ...forMe, until: at(-1), kind: "offered" }),
        anAppointment({ appointment_id: 6, patient_id: 6, status: "done" }, { ...forMe, kind: "offered" }),
        anAppointment({ appointment_id: 7, patient_id: 7 }),
        anAppointment({ appointment_id: 8, patient_id: 8, exclusive: false, called_until: at(1) }),
    ];

    expect(openOffers([], items, ME, NOON).map(offer => offer.appointment_id)).toEqual([1, 2]);
    expect(openOffers([], items, ME, NOON)[0]?.until).toBe(NOON + 60_000);
    expect(countCalls(items, ME, NOON)).toBe(2);
});

test("the offer of the list is for the service of the reservation", () => {
    const reserved = { ...forMe, kind: "offered", prestation: "Stress test" } as const;
    const items = [
        anAppointment({ appointment_id: 1, prestation: "Cardiology" }, reserved),
        anAppointment({ appointment_id: 2, prestation: "Stress test" }, reserved),
    ];

    expect(openOffers([], items, ME, NOON).map(offer => offer.appointment_id)).toEqual([2]);
    expect(openOffers([], items.slice(0, 1), ME, NOON).map(offer => offer.appointment_id)).toEqual([1]);
});

test("an offer of an event and of the list is one offer, for the event's appointment", () => {
    const heard: Offer = { ...johnDoe, appointment_id: 9, doctor_id: ME, until: NOON + 30_000 };
    const items = [anAppointment({ appointment_id: 1 }, { ...forMe, kind: "offered" })];

    expect(openOffers([heard], items, ME, NOON).map(offer => offer.appointment_id)).toEqual([9]);
    // Over for the event, but a supervisor may have given more time: the list knows the newest end.
    expect(openOffers([heard], items, ME, NOON + 31_000).map(offer => offer.appointment_id)).toEqual([1]);
});

test.each([
    ["waiting.ended", { reason: "missed" }, "missed"],
    ["waiting.ended", { reason: "cancelled" }, "cancelled"],
    ["waiting.ended", { reason: "moved" }, "moved"],
    ["waiting.ended", { reason: "left" }, "left"],
    ["patient.updated", { why: "moved_down" }, "moved_down"],
    ["patient.updated", { why: "expired" }, "expired"],
    ["patient.updated", { why: "left" }, undefined],
    ["patient.updated", { why: "passed" }, undefined],
])("%s %j leaves the line %s", (name, data, reason) => {
    expect(afterEvents({ name, data: { ...johnDoe, doctor_id: ME, ...data } })[0]?.reason).toBe(reason);
    expect(afterEvents({ name, data: { ...johnDoe, doctor_id: OTHER, ...data } })).toEqual([]);
});

test("a line is gone with the next offer or start of the same patient", () => {
    const missed = { name: "waiting.ended", data: { ...johnDoe, doctor_id: ME, reason: "missed" } };
    const other = { name: "waiting.ended", data: { ...johnDoe, patient_id: 5, doctor_id: ME, reason: "left" } };

    expect(afterEvents(missed, missed)).toHaveLength(1);
    for (const name of ["consultation.available", "consultation.started"])
        expect(afterEvents(missed, other, { name, data: { ...johnDoe, doctor_id: ME } })).toHaveLength(1);
    expect(afterEvents(missed, { name: "consultation.started", data: { ...johnDoe, doctor_id: OTHER } })).toHaveLength(
        1,
    );
});
