/** The situation and the buttons of one row of the worklist, in pure functions. */

import type { Appointment } from "../api/client.js";

import { EXTEND_BY } from "../commands/calls.js";
import { activeSince, isLongOver } from "../overdue.js";

/** From this time on a wait counts as long, in milliseconds. */
export const LONG_WAIT = 30 * 60_000;

export type Action = "start" | "resume" | "complete" | "extend" | "pause" | "wait" | "leave_line" | "check_in";

/**
 * `mine`: in consultation with the signed-in doctor. `busy`: with another doctor, or with this doctor for another appointment.
 * `reserved_for_me`: also called by this doctor. `expected`: not in the house yet. `free`: in the house, and no one has the patient.
 */
export type Situation =
    | "free"
    | "expected"
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
    /** In the order of the screen. An action has the same place in every row, so that no button takes the place of another one. */
    readonly actions: readonly Action[];
    /** Since when, in milliseconds since 1970, moved by the pauses. `until` is set for a reservation only. */
    readonly since: number | null;
    readonly until: number | null;
    /** Past twice the expected time, or another doctor waits for the patient. */
    readonly isLongOver: boolean;
    /** How long the patient has been checked in, in milliseconds, if that is long. */
    readonly longWait: number | null;
}

/** What Enter does on a row: the first of these that the row has. Nothing that gives something away. */
const ON_ENTER: readonly Action[] = ["start", "resume", "complete", "wait", "check_in"];

export function onEnter({ actions }: Row): Action | undefined {
    return ON_ENTER.find(action => actions.includes(action));
}

/** The patient's current state does not change the appointments of other days, except the running one. */
const SAME_ON_OTHER_DAYS: ReadonlySet<Situation> = new Set([
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
    const situation = isToday || SAME_ON_OTHER_DAYS.has(today) ? today : "planned";
    const arrived = item.status === "pending" ? at(item.checked_in_at) : null;
    const waited = arrived === null ? 0 : now - arrived;
    return {
        situation,
        actions: item.doctor_id === doctorId ? actionsOf(item, situation, doctorId) : [],
        since: sinceOf(item, situation),
        until: situation.startsWith("reserved") ? at(item.called_until ?? item.patient.until) : null,
        isLongOver: isRunning(situation) && isOver(item, now),
        longWait: waited >= LONG_WAIT ? waited : null,
    };
}

const isAfter = (moment: string | null | undefined, now: number): boolean => (at(moment ?? null) ?? 0) > now;

/** Whether the appointment's doctor has called its patient, who has still time to come. */
export function isCalled({ called_until, doctor_id, patient }: Appointment, now: number): boolean {
    const isReserved = patient.kind === "called" && patient.doctor_id === doctor_id;
    return isAfter(called_until, now) || (isReserved && isAfter(patient.until, now));
}

/** The open call of the patient for another appointment, if there is one. It reserves nothing, but no one else can call the patient. */
export function calledElsewhere({ called_elsewhere }: Appointment, now: number): Appointment["called_elsewhere"] {
    return isAfter(called_elsewhere?.until, now) ? called_elsewhere : null;
}

/** Whether this doctor waits for the patient of the row after a call. */
export function isOwnCall(item: Appointment, doctorId: number, now: number): boolean {
    return isCalled(item, now) && situationOf(item, doctorId, now) === "reserved_for_me";
}

const isRunning = (situation: Situation): boolean => ["mine", "overdue", "elsewhere"].includes(situation);

function sinceOf({ paused_at, started_at, paused_seconds, patient }: Appointment, situation: Situation): number | null {
    if (situation.startsWith("paused")) return at(paused_at);
    if (isRunning(situation)) return started_at === null ? null : activeSince({ started_at, paused_seconds });
    const { since } = patient;
    return since === null ? null : activeSince({ started_at: since, paused_seconds: patient.paused_seconds });
}

function isOver(item: Appointment, now: number): boolean {
    const { started_at, overdue_at, waiting_for_me } = item;
    if (started_at === null || overdue_at === null) return false;
    return isLongOver({ ...item, started_at, overdue_at }, waiting_for_me.length > 0, now);
}

/** When the consultation of the row would be due after Extend, in milliseconds since 1970. The API counts the same. */
export function dueAfterExtension({ overdue_at }: Appointment, now: number): number {
    return Math.max(now, at(overdue_at) ?? now) + EXTEND_BY * 60_000;
}

function situationOf(item: Appointment, doctorId: number | null, now: number): Situation {
    const { patient, status } = item;
    if (status === "done" || status === "canceled") return status;
    if (status === "in_progress") {
        if (item.paused_at !== null) return item.doctor_id === doctorId ? "paused" : "paused_elsewhere";
        if (item.doctor_id !== doctorId) return "elsewhere";
        return item.overdue_at !== null && Date.parse(item.overdue_at) <= now ? "overdue" : "mine";
    }
    // A call for an X-ray reserves nothing, and the patient may be with another doctor.
    if (item.doctor_id === doctorId && isCalled(item, now)) return "reserved_for_me";
    if (patient.state === "in_consultation") return patient.position === null ? "busy" : "in_line";
    if (patient.state === "reserved" && (patient.until === null || Date.parse(patient.until) > now)) {
        if (patient.doctor_id === doctorId) return "reserved_for_me";
        return patient.position === null ? "reserved" : "in_line";
    }
    return item.present ? "free" : "expected";
}

function actionsOf(item: Appointment, situation: Situation, doctorId: number | null): readonly Action[] {
    switch (situation) {
        case "mine":
        case "overdue":
            return ["complete", "pause", "extend"];
        case "paused": {
            // While the patient is with another doctor, or reserved for one, it would be refused.
            const isTaken = item.patient.state !== "free" && item.patient.doctor_id !== doctorId;
            return item.exclusive && isTaken ? ["complete"] : ["complete", "resume"];
        }
        case "free":
        case "reserved_for_me":
            return ["start"];
        case "expected":
            return ["check_in"];
        case "in_line":
            // An X-ray does not have to wait for the patient's other doctor.
            return item.exclusive ? ["leave_line"] : ["leave_line", "start"];
        case "busy":
        case "reserved":
            if (!item.exclusive) return ["start"];
            // A doctor cannot wait for their own consultation. The row of the running consultation has the buttons.
            return item.patient.doctor_id === doctorId ? [] : ["wait"];
        default:
            return [];
    }
}
