/** The commands of a patient's day: the API's call of each, and the command that takes it back. */

import { type Appointment, answered, api } from "../api/client.js";
import type { Identity } from "../identity.js";
import { sendEach } from "./check_ins.js";

/** What a command is about. Rows, cards and offers have these fields. Each call uses some of them. */
export type Subject = Pick<Appointment, "appointment_id" | "patient_id" | "doctor_id" | "consultation_id"> & Identity;

/** The minutes that Extend adds. */
export const EXTEND_BY = 15;

export type CancelReason = "patient" | "clinic" | "no_show" | "other";

/** What a user chose or typed for a command. */
export interface Details {
    readonly doctor_id: number;
    readonly prestation_id: number;
    readonly reason: string;
    readonly cancel_reason: CancelReason;
    readonly text: string | null;
    readonly priority: number | null;
    readonly appointment_ids: readonly number[];
}

const under = (key: string) => ({ header: { "Idempotency-Key": key } });

function ofAppointment({ appointment_id }: Subject, key: string) {
    return { params: { path: { appointment_id }, ...under(key) } };
}

function ofConsultation({ consultation_id }: Subject, key: string) {
    return { params: { path: { consultation_id: consultation_id ?? "" }, ...under(key) } };
}

function ofPatient({ patient_id }: Subject, key: string) {
    return { params: { path: { patient_id }, ...under(key) } };
}

export type Call = (of: Subject, key: string, details: Partial<Details>) => Promise<unknown>;

export const CALLS = {
    start: ({ appointment_id, patient_id, doctor_id }, key) =>
        answered(
            api.POST("/api/consultations", {
                params: under(key),
                body: { appointment_id, patient_id, doctor_id, wait: false },
            }),
        ),
    undo_start: (of, key) =>
        answered(api.POST("/api/consultations/{consultation_id}/undo-start", ofConsultation(of, key))),
    complete: (of, key) => answered(api.POST("/api/consultations/{consultation_id}/complete", ofConsultation(of, key))),
    reopen: (of, key) => answered(api.POST("/api/consultations/{consultation_id}/reopen", ofConsultation(of, key))),
    extend: (of, key) =>
        answered(
            api.POST("/api/consultations/{consultation_id}/extend", {
                ...ofConsultation(of, key),
                body: { minutes: EXTEND_BY },
            }),
        ),
    pause: (of, key) => answered(api.POST("/api/consultations/{consultation_id}/pause", ofConsultation(of, key))),
    resume: (of, key) => answered(api.POST("/api/consultations/{consultation_id}/resume", ofConsultation(of, key))),
    transfer: (of, key, { doctor_id = of.doctor_id }) =>
        answered(
            api.POST("/api/consultations/{consultation_id}/transfer", {
                ...ofConsultation(of, key),
                body: { doctor_id },
            }),
        ),
    /** Opens an appointment now with another service, for the patient of the doctor's consultation. */
    send: ({ patient_id, doctor_id: own }, key, { doctor_id = own, prestation_id = 0 }) =>
        answered(api.POST("/api/walk-ins", { params: under(key), body: { patient_id, doctor_id, prestation_id } })),
    release: (of, key, { reason = "" }) =>
        answered(
            api.POST("/api/consultations/{consultation_id}/release", { ...ofConsultation(of, key), body: { reason } }),
        ),
    wait: (of, key) => answered(api.POST("/api/appointments/{appointment_id}/wait", ofAppointment(of, key))),
    leave_line: (of, key) => answered(api.DELETE("/api/appointments/{appointment_id}/wait", ofAppointment(of, key))),
    check_in: (of, key) => answered(api.POST("/api/appointments/{appointment_id}/check-in", ofAppointment(of, key))),
    undo_check_in: (of, key) =>
        answered(api.DELETE("/api/appointments/{appointment_id}/check-in", ofAppointment(of, key))),
    check_out: (of, key) => answered(api.POST("/api/appointments/{appointment_id}/check-out", ofAppointment(of, key))),
    undo_check_out: (of, key) =>
        answered(api.DELETE("/api/appointments/{appointment_id}/check-out", ofAppointment(of, key))),
    check_in_patient: (of, key) => answered(api.POST("/api/patients/{patient_id}/check-in", ofPatient(of, key))),
    /** `DELETE /api/patients/{patient_id}/check-in` would also take back earlier check-ins of the day. */
    undo_check_in_patient: (of, key, { appointment_ids = [] }) =>
        sendEach(appointment_ids, appointment_id => {
            const params = ofAppointment({ ...of, appointment_id }, `${key}.${appointment_id}`);
            return answered(api.DELETE("/api/appointments/{appointment_id}/check-in", params));
        }),
    check_out_patient: (of, key) => answered(api.POST("/api/patients/{patient_id}/check-out", ofPatient(of, key))),
    undo_check_out_patient: (of, key) =>
        answered(api.DELETE("/api/patients/{patient_id}/check-out", ofPatient(of, key))),
    cancel: (of, key, { cancel_reason = "other", text = null }) =>
        answered(
            api.POST("/api/appointments/{appointment_id}/cancel", {
                ...ofAppointment(of, key),
                body: { reason: cancel_reason, text },
            }),
        ),
    undo_cancel: (of, key) => answered(api.DELETE("/api/appointments/{appointment_id}/cancel", ofAppointment(of, key))),
    reassign: (of, key, { doctor_id = of.doctor_id, reason = null }: { doctor_id?: number; reason?: string | null }) =>
        answered(
            api.POST("/api/appointments/{appointment_id}/reassign", {
                ...ofAppointment(of, key),
                body: { doctor_id, reason },
            }),
        ),
    set_priority: (of, key, { priority = null }) =>
        answered(
            api.PATCH("/api/appointments/{appointment_id}/priority", { ...ofAppointment(of, key), body: { priority } }),
        ),
    no_answer: (of, key) => answered(api.POST("/api/appointments/{appointment_id}/no-answer", ofAppointment(of, key))),
} as const satisfies Record<string, Call>;

export type CommandName = keyof typeof CALLS;

/** The command that takes another one back. */
export const UNDONE_BY: Partial<Record<CommandName, CommandName>> = {
    start: "undo_start",
    complete: "reopen",
    check_in: "undo_check_in",
    check_out: "undo_check_out",
    check_in_patient: "undo_check_in_patient",
    check_out_patient: "undo_check_out_patient",
    cancel: "undo_cancel",
};

/** The subject of the command that takes this one back. A start's consultation is in its answer. */
export function subjectOfUndo(name: CommandName, of: Subject, answer: unknown): Subject {
    const consultation_id = name === "start" ? (answer as { id: string }).id : of.consultation_id;
    return { ...of, consultation_id };
}
