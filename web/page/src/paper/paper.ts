/** The lines of a printed list, for an hour without the system: one line for each patient, in pure functions. */

import type { Appointment } from "../api/client.js";
import type { Lane, LaneEntry } from "../board/lanes.js";
import type { Identity } from "../identity.js";

/** One patient on paper. `where` is the name of a state, which the page writes in its language. */
export interface PaperLine {
    readonly key: string;
    /** The scheduled times on a worklist. The board has none. */
    readonly times: readonly string[];
    readonly patient: Identity;
    readonly ticket: string | null;
    readonly doctors: readonly string[];
    readonly where: LaneEntry["place"] | "expected" | "present" | "left" | "done" | "canceled";
    /** The doctor who has the patient, when it is another one. */
    readonly elsewhere: string | null;
    readonly since: string | null;
}

/** Of several places, a patient's line has the first of these. */
const FIRST: readonly PaperLine["where"][] = [
    "in_consultation",
    "reserved",
    "paused",
    "waiting",
    "between",
    "present",
    "expected",
    "done",
    "left",
    "canceled",
];
/** Paper does not need them when the patient has another appointment. */
const IS_OVER: readonly PaperLine["where"][] = ["done", "left", "canceled"];

/** The places of each patient, each patient where the first of these places is in the list. The place in `FIRST` comes first. */
function byPatient<Place extends { readonly where: PaperLine["where"]; readonly patient_id: number }>(
    places: readonly Place[],
): readonly (readonly [Place, ...Place[]])[] {
    const patients = new Map<number, [Place, ...Place[]]>();
    for (const place of places) {
        const others = patients.get(place.patient_id);
        if (others === undefined) patients.set(place.patient_id, [place]);
        else others.push(place);
    }
    for (const each of patients.values()) each.sort((a, b) => FIRST.indexOf(a.where) - FIRST.indexOf(b.where));
    return [...patients.values()];
}

const different = (names: readonly string[]): readonly string[] => [...new Set(names)].filter(name => name !== "");

/** One line for each patient in the house, lane after lane. */
export function paperOfBoard(lanes: readonly Lane[]): readonly PaperLine[] {
    const entries = lanes.flatMap(lane => lane.entries);
    const places = entries.map(entry => ({ where: entry.place, patient_id: entry.item.patient_id, entry }));
    return byPatient(places).map(([{ entry, where }, ...others]) => ({
        key: String(entry.item.patient_id),
        times: [],
        patient: entry.item,
        ticket: entry.item.ticket,
        doctors: different([entry, ...others.map(other => other.entry)].map(each => each.doctor)),
        where,
        elsewhere: null,
        since: entry.since,
    }));
}

/** One line for each patient of the list, with the times and doctors of all appointments that are not over. */
export function paperOfWorklist(items: readonly Appointment[]): readonly PaperLine[] {
    const places = items.map(item => ({ where: whereOf(item), patient_id: item.patient_id, item }));
    return byPatient(places).map(([{ item, where }, ...others]) => {
        const rest = others.filter(other => !IS_OVER.includes(other.where)).map(other => other.item);
        const all = [item, ...rest].sort((a, b) => (a.scheduled_at < b.scheduled_at ? -1 : 1));
        return {
            key: String(item.patient_id),
            times: different(all.map(each => each.scheduled_at)),
            patient: item,
            ticket: item.ticket,
            doctors: different(all.map(each => each.doctor_name)),
            where,
            elsewhere: item.patient.doctor_id !== item.doctor_id ? item.patient.doctor : null,
            since: item.paused_at ?? item.started_at ?? item.checked_in_at,
        };
    });
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
