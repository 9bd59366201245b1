/** What one row of the worklist says and offers; pure, it must not know how that looks or is carried out. */

import type { Appointment } from "../api/client.js";

/** A patient who waits for longer than this, in milliseconds, waits long. */
export const LONG_WAIT = 30 * 60_000;
/** Minutes that Extend adds. */
export const EXTEND_BY = 15;

export type Action = "start" | "resume" | "complete" | "extend" | "wait" | "leave";

/** `mine`: in consultation with who looks. `busy`: with somebody else, or with who looks for another appointment. */
export type Situation =
    | "free"
    | "mine"
    | "overdue"
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
    /** Since when, or until when for a reservation; milliseconds since 1970. */
    readonly since: number | null;
    readonly until: number | null;
    /** How long the patient has been checked in, if that is long; milliseconds. */
    readonly longWait: number | null;
}

/** Where the patient is now says nothing of another day's appointment, but for the one that runs. */
const KEPT_ON_OTHER_DAYS: ReadonlySet<Situation> = new Set(["mine", "overdue", "elsewhere", "done", "canceled"]);

const at = (moment: string | null): number | null => (moment === null ? null : Date.parse(moment));

/** `doctorId` is who looks; null for staff who start nothing. On another day than today nothing is started or waited for. */
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
        since: own ? at(item.started_at) : at(item.patient.since),
        until: situation.startsWith("reserved") ? at(item.patient.until) : null,
        longWait: waited >= LONG_WAIT ? waited : null,
    };
}

function situationOf(item: Appointment, doctorId: number | null, now: number): Situation {
    const { patient, status } = item;
    if (status === "done" || status === "canceled") return status;
    if (status === "in_progress") {
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

/** The first is the row's own; null: there is none, but others. */
function actionsOf(item: Appointment, situation: Situation, doctorId: number | null): readonly (Action | null)[] {
    const start: Action = item.ended_as === null ? "start" : "resume";
    switch (situation) {
        case "mine":
            return ["complete", "extend"];
        case "overdue":
            return ["extend", "complete"];
        case "free":
        case "reserved_for_me":
            return [start];
        case "in_line":
            // An X-ray need not wait for the patient's other doctor.
            return item.exclusive ? [null, "leave"] : [start, "leave"];
        case "busy":
        case "reserved":
            if (!item.exclusive) return [start];
            // Nobody waits for oneself: the row of the running consultation has what can be done.
            return item.patient.doctor_id === doctorId ? [] : ["wait"];
        default:
            return [];
    }
}
