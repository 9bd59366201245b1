/** The lines of a printed list, for an hour without the system: one line for each patient, in pure functions. */

import type { Appointment } from "../api/client.js";
import type { Lane, LaneEntry } from "../board/lanes.js";
import type { Identity } from "../identity.js";

/** One patient on paper. `where` is the name of a state, which the page writes in its language. */
export interface PaperLine {
    readonly key: string;
    /** The scheduled time on a worklist; null on the board, which has none. */
    readonly time: string | null;
    readonly patient: Identity;
    readonly ticket: string | null;
    readonly doctor: string;
    readonly where: LaneEntry["place"] | "expected" | "present" | "left" | "done" | "canceled";
    /** The doctor who has the patient, when it is another one. */
    readonly elsewhere: string | null;
    readonly since: string | null;
}

/** A patient with several places has one line: the first of these states. */
const FIRST: readonly LaneEntry["place"][] = ["in_consultation", "reserved", "paused", "waiting", "between"];

/** One line for each patient in the house, lane after lane. */
export function paperOfBoard(lanes: readonly Lane[]): readonly PaperLine[] {
    const entries = lanes.flatMap(lane => lane.entries);
    const first = new Map<number, LaneEntry>();
    for (const entry of entries) {
        const before = first.get(entry.item.patient_id);
        if (before === undefined || FIRST.indexOf(entry.place) < FIRST.indexOf(before.place)) {
            first.set(entry.item.patient_id, entry);
        }
    }
    return entries
        .filter(entry => first.get(entry.item.patient_id) === entry)
        .map(entry => ({
            key: String(entry.item.patient_id),
            time: null,
            patient: entry.item,
            ticket: entry.item.ticket,
            doctor: entry.doctor,
            where: entry.place,
            elsewhere: null,
            since: entry.since,
        }));
}

/** One line for each appointment of the list. */
export function paperOfWorklist(items: readonly Appointment[]): readonly PaperLine[] {
    return items.map(item => ({
        key: String(item.appointment_id),
        time: item.scheduled_at,
        patient: item,
        ticket: item.ticket,
        doctor: item.doctor_name,
        where: whereOf(item),
        elsewhere: item.patient.doctor_id !== item.doctor_id ? item.patient.doctor : null,
        since: item.paused_at ?? item.started_at ?? item.checked_in_at,
    }));
}

function whereOf(item: Appointment): PaperLine["where"] {
    if (item.status === "done" || item.status === "canceled") return item.status;
    if (item.paused_at !== null) return "paused";
    if (item.status === "in_progress") return "in_consultation";
    if (item.patient.state === "reserved" && item.patient.doctor_id === item.doctor_id) return "reserved";
    if (item.checked_in_at !== null) return "waiting";
    if (item.present) return "present";
    return item.left_at === null ? "expected" : "left";
}
