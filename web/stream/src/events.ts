/** The events of the stream as types, and the check of their data. */

export interface AboutPatient {
    readonly patient_id: number;
    readonly patient_name: string;
    /** As far as it is known: a year, a month or a day. Older events lack it. */
    readonly birth_date?: string | null;
    readonly record_number?: string | null;
    readonly message: string;
    /** RFC 3339 with milliseconds, UTC. */
    readonly timestamp: string;
}

export interface AboutConsultation extends AboutPatient {
    readonly doctor_id: number;
    readonly doctor_name: string;
    readonly appointment_id: number;
    readonly consultation_id: string;
}

export interface ConsultationTransferred extends AboutConsultation {
    readonly to_doctor_id: number;
    readonly to_doctor_name: string;
}

/** On the channel `wall` it has no more fields. Staff also get those of `AboutPatient`, and the doctor and the appointment. */
export interface PatientCalled {
    readonly room: string | null;
    readonly ticket: string | null;
    /** The end of the call. */
    readonly until: string;
    readonly message: string;
    readonly timestamp: string;
}

export interface ConsultationBlocked extends AboutPatient {
    readonly active_doctor_id: number;
    readonly active_doctor_name: string;
    /** The same id as in the 409 answer, so that a page shows one refusal once. */
    readonly request_id: string;
}

export interface AppointmentUpdated extends AboutPatient {
    readonly appointment_id: number;
    readonly status: string;
    /** When it has changed: 1 (most urgent) to 5, or null. */
    readonly priority?: number | null;
    /** When the appointment was canceled with a reason. */
    readonly cancel_reason?: string;
}

/** The event is about no patient. It has the doctor as the record is now. */
export interface DoctorUpdated {
    readonly doctor_id: number;
    readonly doctor_name: string;
    readonly message: string;
    readonly timestamp: string;
}

/** The event is about no patient. It has the prestation as the record is now. */
export interface PrestationUpdated {
    readonly prestation_id: number;
    readonly prestation: string;
    readonly message: string;
    readonly timestamp: string;
}

/** The guaranteed fields of each event. An event may have more fields. */
export interface VisitEvents {
    "consultation.started": AboutConsultation;
    "consultation.blocked": ConsultationBlocked;
    "consultation.completed": AboutConsultation;
    "consultation.paused": AboutConsultation;
    "consultation.resumed": AboutConsultation;
    "consultation.reopened": AboutConsultation;
    "consultation.transferred": ConsultationTransferred;
    "consultation.available": AboutPatient;
    "waiting.ended": AboutPatient;
    "consultation.overdue": AboutPatient;
    "consultation.released": AboutPatient;
    "appointment.updated": AppointmentUpdated;
    "patient.updated": AboutPatient;
    "patient.called": PatientCalled;
    "doctor.updated": DoctorUpdated;
    "prestation.updated": PrestationUpdated;
    "patient.merged": AboutPatient;
    "patient.separated": AboutPatient;
}

export type EventName = keyof VisitEvents;

const ABOUT_PATIENT = { patient_id: "number", patient_name: "string", message: "string", timestamp: "string" } as const;
const ABOUT_CONSULTATION = {
    ...ABOUT_PATIENT,
    doctor_id: "number",
    doctor_name: "string",
    appointment_id: "number",
    consultation_id: "string",
} as const;

/** The fields that each event is checked for. */
export const GUARANTEED: { readonly [Name in EventName]: Readonly<Record<string, "number" | "string">> } = {
    "consultation.started": ABOUT_CONSULTATION,
    "consultation.blocked": {
        ...ABOUT_PATIENT,
        active_doctor_id: "number",
        active_doctor_name: "string",
        request_id: "string",
    },
    "consultation.completed": ABOUT_CONSULTATION,
    "consultation.paused": ABOUT_CONSULTATION,
    "consultation.resumed": ABOUT_CONSULTATION,
    "consultation.reopened": ABOUT_CONSULTATION,
    "consultation.transferred": { ...ABOUT_CONSULTATION, to_doctor_id: "number", to_doctor_name: "string" },
    "consultation.available": ABOUT_PATIENT,
    "waiting.ended": ABOUT_PATIENT,
    "consultation.overdue": ABOUT_PATIENT,
    "consultation.released": ABOUT_PATIENT,
    "appointment.updated": { ...ABOUT_PATIENT, appointment_id: "number", status: "string" },
    "patient.updated": ABOUT_PATIENT,
    "patient.called": { message: "string", timestamp: "string" },
    "doctor.updated": { doctor_id: "number", doctor_name: "string", message: "string", timestamp: "string" },
    "prestation.updated": { prestation_id: "number", prestation: "string", message: "string", timestamp: "string" },
    "patient.merged": ABOUT_PATIENT,
    "patient.separated": ABOUT_PATIENT,
};

export const EVENT_NAMES = Object.keys(GUARANTEED) as readonly EventName[];

/** One event as handlers receive it. */
export interface VisitEvent<Data> {
    readonly name: string;
    /** Its position in the log: `epoch-position`. */
    readonly id: string;
    readonly data: Readonly<Data>;
}

/** The event's data, or undefined if it is not an object or lacks a guaranteed field. */
export function readData(name: string, text: string): Record<string, unknown> | undefined {
    let parsed: unknown;
    try {
        parsed = JSON.parse(text);
    } catch {
        return undefined;
    }
    if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) return undefined;
    const data = parsed as Record<string, unknown>;
    const guaranteed = Object.hasOwn(GUARANTEED, name) ? GUARANTEED[name as EventName] : {};
    return Object.entries(guaranteed).every(([field, type]) => typeof data[field] === type) ? data : undefined;
}
