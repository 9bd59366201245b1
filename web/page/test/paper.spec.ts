import { describe, expect, it } from "vitest";
import type { Appointment, BoardItem } from "../src/api/client.js";
import { lanesOf } from "../src/board/lanes.js";
import { paperOfBoard, paperOfWorklist } from "../src/paper/paper.js";
import { anAppointment, at, withDrOkafor } from "./appointments.js";

describe("the printed list", () => {
    it.each<[string, Partial<Omit<Appointment, "patient">>, Partial<Appointment["patient"]>, string | null]>([
        ["expected", { present: false, checked_in_at: null }, {}, null],
        ["left", { present: false, left_at: at(-3) }, {}, null],
        ["waiting", { status: "pending", checked_in_at: at(-5), present: true }, {}, at(-5)],
        ["in_consultation", { status: "in_progress", checked_in_at: at(-5), started_at: at(-2) }, {}, at(-2)],
        ["paused", { status: "in_progress", started_at: at(-9), paused_at: at(-1) }, {}, at(-1)],
        ["reserved", { checked_in_at: at(-5), present: true }, { state: "reserved", doctor_id: 7 }, at(-5)],
        ["present", { present: true, checked_in_at: null }, {}, null],
        ["canceled", { status: "canceled" }, {}, null],
    ])("says where a patient is: %s", (where, appointment, patient, since) => {
        const [line] = paperOfWorklist([anAppointment(appointment, patient)]);
        expect([line?.where, line?.since]).toEqual([where, since]);
    });

    it("names the other doctor who has the patient", () => {
        expect(paperOfWorklist([anAppointment({}, withDrOkafor)])[0]?.elsewhere).toBe("Dr. Okafor");
        expect(paperOfWorklist([anAppointment({}, { ...withDrOkafor, doctor_id: 7 })])[0]?.elsewhere).toBeNull();
    });

    it("has one line for a patient with two appointments, and leaves out one that is over", () => {
        const of = (appointment_id: number, minutes: number, doctor_name: string, more: Partial<Appointment> = {}) =>
            anAppointment({ appointment_id, scheduled_at: at(minutes), doctor_name, ...more });
        const lines = paperOfWorklist([
            of(1, 30, "Dr. Amrani", { present: true }),
            of(2, 0, "Dr. Smith", { status: "in_progress", started_at: at(2) }),
            of(3, -30, "Dr. Rossi", { status: "done" }),
        ]);
        expect(lines.map(line => [line.times, line.doctors, line.where, line.since])).toEqual([
            [[at(0), at(30)], ["Dr. Smith", "Dr. Amrani"], "in_consultation", at(2)],
        ]);
    });

    it("has one line for a patient who is in two lanes: where the patient is now", () => {
        const smith = { doctor_id: 9, doctor: "Dr. Smith", room: null, prestation: "X-ray" };
        const amrani = { ...smith, doctor_id: 7, doctor: "Dr. Amrani" };
        const patient: BoardItem = {
            patient_id: 1,
            patient_name: "John Doe",
            family_name: "Doe",
            birth_date: null,
            record_number: null,
            ticket: "A01",
            state: "in_consultation",
            consultations: [
                {
                    ...smith,
                    appointment_id: 11,
                    consultation_id: "c",
                    exclusive: true,
                    started_at: at(-3),
                    overdue_at: at(9),
                    expected_minutes: 20,
                    paused_seconds: 0,
                },
            ],
            paused: [],
            checked_in: [{ ...amrani, appointment_id: 12, since: at(-20), place: 1, offer_until: null }],
            waiting: [],
        };
        const lines = paperOfBoard(lanesOf([patient], "doctor", "en"));
        expect(lines.map(line => [line.doctors, line.where, line.since])).toEqual([
            [["Dr. Smith", "Dr. Amrani"], "in_consultation", at(-3)],
        ]);
    });
});
