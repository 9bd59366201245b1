import { expect, test } from "vitest";
import { isEntryLongOver, lanesOf } from "../src/board/lanes.js";
import { activeTime, isLongOver } from "../src/overdue.js";
import { dueAfterExtension, rowOf } from "../src/worklist/row.js";
import { anAppointment, at, ME, NOON, OTHER } from "./appointments.js";

test.each<[string, number, { extended?: number; paused?: number }, boolean, boolean]>([
    ["in its time", -19, {}, false, false],
    ["in its time, with a doctor waiting", -19, {}, true, false],
    ["over its time", -39, {}, false, false],
    ["over its time, with a doctor waiting", -20, {}, true, true],
    ["past twice its time", -40, {}, false, true],
    ["past twice its time with pauses", -49, { paused: 10 }, false, false],
    ["past twice its time without pauses", -50, { paused: 10 }, false, true],
    ["in an extension, past twice its time", -44, { extended: 25 }, false, false],
    ["past its extension and twice its time", -45, { extended: 25 }, false, true],
    ["past a pause and an extension", -54, { extended: 25, paused: 10 }, true, false],
])("a consultation %s", (_what, minutes, { extended = 0, paused = 0 }, isAwaited, isBad) => {
    const due = at(minutes + 20 + extended + paused);
    const running = {
        started_at: at(minutes),
        overdue_at: due,
        expected_minutes: 20,
        paused_seconds: paused * 60,
    };
    expect(isLongOver(running, isAwaited, NOON)).toBe(isBad);
});

test("pauses do not count in the time of a consultation", () => {
    const times = { started_at: at(-60), paused_seconds: 25 * 60 };
    expect(activeTime(times, NOON)).toBe(35 * 60_000);
    expect(activeTime({ started_at: at(-60), paused_seconds: 61 * 60 }, NOON)).toBe(0);
    const running = { status: "in_progress", overdue_at: at(10), ...times } as const;
    const since = (changed: object, patient = {}) => rowOf(anAppointment(changed, patient), ME, NOON).since;
    expect(since(running)).toBe(NOON - 35 * 60_000);
    expect(since({ ...running, doctor_id: OTHER })).toBe(NOON - 35 * 60_000);
    expect(since({ ...running, paused_at: at(-4) })).toBe(NOON - 4 * 60_000);
    const elsewhere = { state: "in_consultation", doctor_id: OTHER, since: at(-60), paused_seconds: 25 * 60 };
    expect(since({}, elsewhere)).toBe(NOON - 35 * 60_000);
});

test("rows of all doctors and cards follow the same rule", () => {
    const row = (minutes: number, doctor_id: number) => {
        const running = { started_at: at(minutes), overdue_at: at(minutes + 20), doctor_id };
        return rowOf(anAppointment({ status: "in_progress", ...running }), ME, NOON).isLongOver;
    };
    expect([row(-39, ME), row(-40, ME), row(-39, OTHER), row(-40, OTHER)]).toEqual([false, true, false, true]);

    const card = (exclusive: boolean) => {
        const doctor = { doctor_id: ME, doctor: "Dr. Amrani", room: null, prestation: "Cardiology" };
        const times = { started_at: at(-21), overdue_at: at(-1), expected_minutes: 20, paused_seconds: 0 };
        const running = { ...doctor, ...times, appointment_id: 1, consultation_id: "c", exclusive };
        const turn = { ...doctor, doctor_id: OTHER, appointment_id: 2, since: at(-5), position: 1, offer_until: null };
        const identity = {
            patient_id: 1,
            patient_name: "John Doe",
            family_name: "Doe",
            birth_date: null,
            record_number: null,
            ticket: null,
        };
        const lists = { consultations: [running], paused: [], checked_in: [], waiting: [turn] };
        const lanes = lanesOf([{ ...identity, state: "in_consultation", ...lists }], "doctor", "en");
        return lanes.flatMap(lane => lane.entries).some(entry => isEntryLongOver(entry, NOON));
    };
    // A doctor who waits for the patient does not wait for the end of an X-ray.
    expect([card(true), card(false)]).toEqual([true, false]);
});

test("the new end counts from the old one, or from now when it has passed", () => {
    expect(dueAfterExtension(anAppointment({ overdue_at: at(6) }), NOON)).toBe(NOON + 21 * 60_000);
    expect(dueAfterExtension(anAppointment({ overdue_at: at(-6) }), NOON)).toBe(NOON + 15 * 60_000);
});
