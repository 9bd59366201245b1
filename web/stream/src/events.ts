/** The events of the stream as types, and their parse at the border; it must not know how they come here. */

export interface AboutPatient {
    readonly patient_id: number;
    readonly patient_name: string;
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

export interface ConsultationBlocked extends AboutPatient {
    readonly active_doctor_id: number;
    readonly active_doctor_name: string;
    /** The same as in the 409, so that one refusal is shown once. */
    readonly request_id: string;
}

export interface AppointmentUpdated extends AboutPatient {
    readonly appointment_id: number;
    readonly status: string;
}

/** Guaranteed fields by event; more may stand beside them. */
export interface VisitEvents {
    "consultation.started": AboutConsultation;
    "consultation.blocked": ConsultationBlocked;
    "consultation.completed": AboutConsultation;
    "consultation.available": AboutPatient;
    "consultation.overdue": AboutPatient;
    "consultation.released": AboutPatient;
    "appointment.updated": AppointmentUpdated;
    "patient.updated": AboutPatient;
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

/** What each event is checked for. */
export const GUARANTEED: { readonly [Name in EventName]: Readonly<Record<string, "number" | "string">> } = {
    "consultation.started": ABOUT_CONSULTATION,
    "consultation.blocked": {
        ...ABOUT_PATIENT,
        active_doctor_id: "number",
        active_doctor_name: "string",
        request_id: "string",
    },
    "consultation.completed": ABOUT_CONSULTATION,
    "consultation.available": ABOUT_PATIENT,
    "consultation.overdue": ABOUT_PATIENT,
    "consultation.released": ABOUT_PATIENT,
    "appointment.updated": { ...ABOUT_PATIENT, appointment_id: "number", status: "string" },
    "patient.updated": ABOUT_PATIENT,
};

export const EVENT_NAMES = Object.keys(GUARANTEED) as readonly EventName[];

/** One event as handlers get it. */
export interface VisitEvent<Data> {
    readonly name: string;
    /** Its place in the log: `epoch-position`. */
    readonly id: string;
    readonly data: Readonly<Data>;
}

/** The object that an event carries; undefined when it is none, or lacks what its name guarantees. */
export function readData(name: string, text: string): Record<string, unknown> | undefined {
    let read: unknown;
    try {
        read = JSON.parse(text);
    } catch {
        return undefined;
    }
    if (typeof read !== "object" || read === null || Array.isArray(read)) return undefined;
    const found = read as Record<string, unknown>;
    const guaranteed = Object.hasOwn(GUARANTEED, name) ? GUARANTEED[name as EventName] : {};
    return Object.entries(guaranteed).every(([field, type]) => typeof found[field] === type) ? found : undefined;
}
