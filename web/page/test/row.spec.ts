import { describe, expect, it } from "vitest";
import type { Appointment } from "../src/api/client.js";
import { LONG_WAIT, type Row, rowOf } from "../src/worklist/row.js";
import { anAppointment, at, ME, NOON, OTHER, withDrOkafor } from "./appointments.js";

const look = (item: Appointment, doctor: number | null = ME): Row => rowOf(item, doctor, NOON);
const running = { status: "in_progress", consultation_id: "c", started_at: at(-14) } as const;
const reserved = { state: "reserved", doctor: "Dr. Okafor", doctor_id: OTHER, since: at(-20), until: at(1) } as const;

describe("a row of the worklist", () => {
    it.each<[string, Appointment, Row["situation"], Row["actions"]]>([
        ["a free patient can be started", anAppointment(), "free", ["start"]],
        ["a released consultation is started again", anAppointment({ ended_as: "released" }), "free", ["start"]],
        [
            "my own is completed",
            anAppointment({ ...running, overdue_at: at(6) }),
            "mine",
            ["complete", "pause", "extend"],
        ],
        [
            "my own that is overdue has the same buttons",
            anAppointment({ ...running, overdue_at: at(-1) }),
            "overdue",
            ["complete", "pause", "extend"],
        ],
        [
            "my own that is paused is resumed",
            anAppointment({ ...running, paused_at: at(-4) }),
            "paused",
            ["complete", "resume"],
        ],
        [
            "my own that is paused waits for the patient",
            anAppointment({ ...running, paused_at: at(-4) }, withDrOkafor),
            "paused",
            ["complete"],
        ],
        [
            "one that another doctor has paused has no button",
            anAppointment({ ...running, doctor_id: OTHER, paused_at: at(-4) }),
            "paused_elsewhere",
            [],
        ],
        ["a busy patient is waited for", anAppointment({}, withDrOkafor), "busy", ["wait"]],
        [
            "in line, the only action is to leave",
            anAppointment({}, { ...withDrOkafor, position: 2 }),
            "in_line",
            ["leave_line"],
        ],
        ["an X-ray runs at the same time", anAppointment({ exclusive: false }, withDrOkafor), "busy", ["start"]],
        [
            "an X-ray of a doctor in line runs at the same time",
            anAppointment({ exclusive: false }, { ...withDrOkafor, position: 1 }),
            "in_line",
            ["leave_line", "start"],
        ],
        [
            "a doctor cannot wait for their own consultation",
            anAppointment({}, { ...withDrOkafor, doctor_id: ME }),
            "busy",
            [],
        ],
        [
            "reserved for me is started",
            anAppointment({}, { ...reserved, doctor_id: ME, position: 1 }),
            "reserved_for_me",
            ["start"],
        ],
        ["reserved for another is waited for", anAppointment({}, reserved), "reserved", ["wait"]],
        [
            "a doctor behind a reservation is in line",
            anAppointment({}, { ...reserved, position: 2 }),
            "in_line",
            ["leave_line"],
        ],
        [
            "an expired reservation leaves the patient free",
            anAppointment({}, { ...reserved, until: at(0) }),
            "free",
            ["start"],
        ],
        ["a done appointment has no action", anAppointment({ status: "done" }, withDrOkafor), "done", []],
        ["a canceled appointment has no action", anAppointment({ status: "canceled" }), "canceled", []],
        ["a colleague's consultation has no action", anAppointment({ ...running, doctor_id: OTHER }), "elsewhere", []],
        ["a colleague's appointment has no action", anAppointment({ doctor_id: OTHER }), "free", []],
        ["a patient who is not here is checked in", anAppointment({ present: false }), "expected", ["check_in"]],
    ])("%s", (_what, item, situation, actions) => {
        expect(look(item)).toMatchObject({ situation, actions });
    });

    it("has no action for staff other than doctors", () => {
        expect(look(anAppointment(), null).actions).toEqual([]);
    });

    it("shows since when a consultation runs, and when an offer ends", () => {
        expect(look(anAppointment(running)).since).toBe(NOON - 14 * 60_000);
        expect(look(anAppointment({}, withDrOkafor)).since).toBe(NOON - 14 * 60_000);
        expect(look(anAppointment({}, { ...reserved, doctor_id: ME })).until).toBe(NOON + 60_000);
    });

    it("shows a long wait from half an hour on, while the patient waits", () => {
        const arrived = (minutes: number, status: "pending" | "done" = "pending") =>
            look(anAppointment({ status, checked_in_at: at(-minutes) })).longWait;
        expect(arrived(29)).toBeNull();
        expect(arrived(30)).toBe(LONG_WAIT);
        expect(arrived(90, "done")).toBeNull();
    });
});
