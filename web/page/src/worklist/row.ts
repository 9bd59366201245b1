/** The situation and the actions of one row of the worklist, in pure functions. */

import type { Appointment } from "../api/client.js";

/** From this time on a wait counts as long, in milliseconds. */
export const LONG_WAIT = 30 * 60_000;
/** The minutes that Extend adds. */
export const EXTEND_BY = 15;

/** The order of the rows: by time. Times have one form and one zone, so their texts compare like they do. */
export function byTime(a: Appointment, b: Appointment): number {
    if (a.scheduled_at !== b.scheduled_at) return a.scheduled_at < b.scheduled_at ? -1 : 1;
    return a.appointment_id - b.appointment_id;
}

export type Action = "start" | "resume" | "complete" | "extend" | "wait" | "leave";

/** `mine`: in consultation with the signed-in doctor. `busy`: with another doctor, or with this doctor for another appointment. */
export type Situation =
    | "free"
    | "mine"
    | "overdue"
    | "paused"
    | "paused_elsewhere"
    | "busy"
    | "in_line"
    | "reserved_for_me"
    | "reserved"
    | "done"
    | "canceled"
    | "elsewhere"
    | "planned";

export interface Row {
    readonly situation: Situation;
    readonly primary: Action | null;
    readonly secondary: readonly Action[];
    /** Since when, in milliseconds since 1970. `until` is set for a reservation only. */
    readonly since: number | null;
    readonly until: number | null;
    /** How long the patient has been checked in, in milliseconds, if that is long. */
    readonly longWait: number | null;
}

/** The patient's current state does not change the appointments of other days, except the running one. */
const KEPT_ON_OTHER_DAYS: ReadonlySet<Situation> = new Set([
    "mine",
    "overdue",
    "paused",
    "paused_elsewhere",
    "elsewhere",
    "done",
    "canceled",
]);

const at = (moment: string | null): number | null => (moment === null ? null : Date.parse(moment));

/** `doctorId` is the signed-in doctor, or null for other staff. Start and Wait exist for today only. */
export function rowOf(item: Appointment, doctorId: number | null, now: number, isToday = true): Row {
    const today = situationOf(item, doctorId, now);
    const situation = isToday || KEPT_ON_OTHER_DAYS.has(today) ? today : "planned";
    const [primary, ...secondary] = item.doctor_id === doctorId ? actionsOf(item, situation, doctorId) : [];
    const arrived = item.status === "pending" ? at(item.checked_in_at) : null;
    const waited = arrived === null ? 0 : now - arrived;
    const own = situation === "mine" || situation === "overdue" || situation === "elsewhere";
    return {
        situation,
        primary: primary ?? null,
        secondary: secondary.flatMap(action => action ?? []),
        since: situation.startsWith("paused") ? at(item.paused_at) : own ? at(item.started_at) : at(item.patient.since),
        until: situation.startsWith("reserved") ? at(item.patient.until) : null,
        longWait: waited >= LONG_WAIT ? waited : null,
    };
}

function situationOf(item: Appointment, doctorId: number | null, now: number): Situation {
    const { patient, status } = item;
    if (status === "done" || status === "canceled") return status;
    if (status === "in_progress") {
        if (item.paused_at !== null) return item.doctor_id === doctorId ? "paused" : "paused_elsewhere";
        if (item.doctor_id !== doctorId) return "elsewhere";
        return item.overdue_at !== null && Date.parse(item.overdue_at) <= now ? "overdue" : "mine";
    }
    if (patient.state === "in_consultation") return patient.position === null ? "busy" : "in_line";
    if (patient.state === "reserved" && (patient.until === null || Date.parse(patient.until) > now)) {
        if (patient.doctor_id === doctorId) return "reserved_for_me";
        return patient.position === null ? "reserved" : "in_line";
    }
    return "free";
}

/** The first is the row's primary action. It is null if the row has only secondary actions. */
function actionsOf(item: Appointment, situation: Situation, doctorId: number | null): readonly (Action | null)[] {
    const start: Action = item.ended_as === null ? "start" : "resume";
    switch (situation) {
        case "mine":
            return ["complete", "extend"];
        case "overdue":
            return ["extend", "complete"];
        case "paused": {
            // While the patient is with another doctor, or reserved for one, it would be refused.
            const isTaken = item.patient.state !== "free" && item.patient.doctor_id !== doctorId;
            return [item.exclusive && isTaken ? null : "resume", "complete"];
        }
        case "free":
        case "reserved_for_me":
            return [start];
        case "in_line":
            // An X-ray does not have to wait for the patient's other doctor.
            return item.exclusive ? [null, "leave"] : [start, "leave"];
        case "busy":
        case "reserved":
            if (!item.exclusive) return [start];
            // A doctor cannot wait for their own consultation. The row of the running consultation has the buttons.
            return item.patient.doctor_id === doctorId ? [] : ["wait"];
        default:
            return [];
    }
}
