/** Appointments as in the worklist, for the unit tests of the page. */

import type { Appointment } from "../src/api/client.js";

export const NOON = Date.parse("2026-03-02T12:00:00.000Z");
export const ME = 7;
export const OTHER = 8;

export const at = (minutes: number): string => new Date(NOON + minutes * 60_000).toISOString();

const FREE: Appointment["patient"] = {
    state: "free",
    doctor: null,
    doctor_id: null,
    prestation: null,
    since: null,
    paused_seconds: 0,
    position: null,
    until: null,
    kind: null,
};

export function anAppointment(
    changed: Partial<Omit<Appointment, "patient">> = {},
    patient: Partial<Appointment["patient"]> = {},
): Appointment {
    return {
        appointment_id: 1,
        scheduled_at: at(0),
        status: "confirmed",
        status_code: 1,
        patient_id: 123,
        patient_name: "John Doe",
        family_name: "Doe",
        birth_date: "1974-05-02",
        record_number: null,
        ticket: null,
        doctor_id: ME,
        doctor_name: "Dr. Amrani",
        room: null,
        prestation_id: 11,
        prestation: "Cardiology",
        exclusive: true,
        priority: null,
        no_answers: 0,
        checked_in_at: null,
        consultation_id: null,
        started_at: null,
        completed_at: null,
        left_at: null,
        canceled_at: null,
        overdue_at: null,
        paused_at: null,
        expected_minutes: 20,
        paused_seconds: 0,
        ended_as: null,
        ended_by: null,
        ended_reason: null,
        present: true,
        late_minutes: null,
        why: null,
        waiting_for_me: [],
        called_until: null,
        called_elsewhere: null,
        ...changed,
        patient: { ...FREE, ...patient },
    };
}

export const withDrOkafor: Partial<Appointment["patient"]> = {
    state: "in_consultation",
    doctor: "Dr. Okafor",
    doctor_id: OTHER,
    prestation: "Dermatology",
    since: at(-14),
};
