import { describe, expect, it } from "vitest";
import type { Appointment, Who } from "../src/api/client.js";
import { menuOf } from "../src/worklist/menu.js";
import { rowOf } from "../src/worklist/row.js";
import { anAppointment, at, ME, NOON, OTHER, withDrOkafor } from "./appointments.js";

const HOSPITAL = { timezone: "Europe/Paris", day_starts: "04:00" };
const as = (role: Who["role"], doctor_id: number | null = null) => ({ role, doctor_id, ...HOSPITAL });
const DOCTOR = as("doctor", ME);
const menu = (item: Appointment, who: ReturnType<typeof as>, isToday = true) =>
    menuOf(item, rowOf(item, who.doctor_id, NOON, isToday).situation, who, NOON, isToday);
const running = (minutes: number) =>
    anAppointment({ status: "in_progress", consultation_id: "c", started_at: at(-minutes) });
const done = (minutes: number) =>
    anAppointment({ status: "done", consultation_id: "c", started_at: at(-60), completed_at: at(-minutes) });
const here = anAppointment({ status: "pending", checked_in_at: at(-10) });

describe("the menu of a row", () => {
    it.each([
        ["a doctor takes a start back", running(4), DOCTOR, ["transfer", "send", "undo_start", "set_priority"]],
        ["but not after five minutes", running(5), DOCTOR, ["transfer", "send", "set_priority"]],
        [
            "a supervisor may later",
            running(90),
            as("supervisor"),
            ["transfer", "undo_start", "set_priority", "release"],
        ],
        ["reception sets the priority of a consultation", running(4), as("reception"), ["set_priority"]],
        ["a doctor takes a completion back", done(4), DOCTOR, ["reopen"]],
        ["but not after five minutes", done(5), DOCTOR, []],
        ["a supervisor may later", done(90), as("supervisor"), ["reopen"]],
        [
            "the desk cancels",
            here,
            as("reception"),
            ["check_out", "check_out_patient", "undo_check_in", "set_priority", "reassign", "reassign_all", "cancel"],
        ],
        [
            "and notes that a patient did not come",
            anAppointment({ present: false }),
            as("reception"),
            ["check_in", "check_in_patient", "set_priority", "reassign", "reassign_all", "no_show", "cancel"],
        ],
        [
            "or takes a departure back",
            anAppointment({ present: false, left_at: at(-5) }),
            as("reception"),
            [
                "check_in",
                "check_in_patient",
                "undo_check_out",
                "set_priority",
                "reassign",
                "reassign_all",
                "no_show",
                "cancel",
            ],
        ],
        ["a doctor does not", here, DOCTOR, ["check_out", "undo_check_in", "set_priority", "reassign"]],
        ["nor for a colleague", here, as("doctor", OTHER), []],
        [
            "a canceled one comes back",
            anAppointment({ status: "canceled", canceled_at: at(-30) }),
            as("reception"),
            ["undo_cancel"],
        ],
        [
            "but not after the day of the cancellation",
            anAppointment({ status: "canceled", canceled_at: at(-24 * 60) }),
            as("reception"),
            [],
        ],
        [
            "nor when an earlier version canceled it",
            anAppointment({ status: "canceled", canceled_at: null }),
            as("reception"),
            [],
        ],
        ["a program has no menu", here, as("service"), []],
    ] as const)("%s", (_what, item, who, commands) => {
        expect(menu(item, who)).toEqual(commands);
    });

    it.each([
        [
            "the desk may check a patient in early",
            anAppointment({ scheduled_at: at(1440) }),
            as("reception"),
            "check_in",
        ],
        [
            "and notes that one did not come yesterday",
            anAppointment({ scheduled_at: at(-1440) }),
            as("reception"),
            "no_show",
        ],
        ["its doctor may check in", anAppointment({ scheduled_at: at(1440) }), DOCTOR, "check_in"],
        ["its doctor ends what still runs", running(4), DOCTOR, "undo_start"],
    ] as const)("of another day: %s", (_what, item, who, command) => {
        expect(menu(item, who, false)).toContain(command);
    });

    it("of another day has nothing that is for today only", () => {
        const left = anAppointment({ scheduled_at: at(1440), left_at: at(-5) });
        const forToday = ["start", "check_in_patient", "undo_check_out", "reassign_all", "no_show", "reopen"];
        for (const item of [left, done(90)])
            expect(menu(item, as("supervisor"), false).filter(command => forToday.includes(command))).toEqual([]);
    });

    it("lets no patient leave who is in consultation", () => {
        const busy = anAppointment({ status: "pending", checked_in_at: at(-10) }, withDrOkafor);
        expect(menu(busy, as("reception"))).not.toContain("check_out_patient");
    });

    it("offers to start a patient who has not come, and to note that a called one did not", () => {
        expect(menu(anAppointment({ present: false }), DOCTOR)).toContain("start");
        const called = { state: "reserved", kind: "called", doctor_id: ME, until: at(1) } as const;
        const item = anAppointment({ status: "pending", checked_in_at: at(-10) }, called);
        expect(menu(item, DOCTOR)).toContain("no_answer");
        expect(menu(here, DOCTOR)).not.toContain("no_answer");
        expect(menu({ ...here, exclusive: false, called_until: at(1) }, DOCTOR)).toContain("no_answer");
        expect(menu({ ...here, exclusive: false, called_until: at(1) }, as("reception"))).toContain("no_answer");
        expect(menu({ ...here, exclusive: false, called_until: at(1) }, as("supervisor"))).not.toContain("no_answer");
        expect(menu({ ...here, exclusive: false, called_until: at(0) }, DOCTOR)).not.toContain("no_answer");
    });
});
