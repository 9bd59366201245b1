/** The patients that a search finds, each with the appointments of today, and what Enter does, in pure functions. */

import type { Appointment, StoredPatient } from "../api/client.js";
import type { Identity } from "../identity.js";

/** A patient with the appointments of today, the earliest first. */
export interface Match extends Identity {
    readonly patient_id: number;
    readonly appointments: readonly Appointment[];
}

export interface Answer {
    /** The text that this is the answer to. */
    readonly text: string;
    readonly matches: readonly Match[];
    /** Whether more patients have these words. */
    readonly more: boolean;
}

const signs = (text: string): string => text.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");

/** Whether the text is the patient's record number or ticket, not only the beginning of it. */
export function isExact(match: Match, text: string): boolean {
    const numbers = [match.record_number, ...match.appointments.map(item => item.ticket)];
    return signs(text) !== "" && numbers.some(number => typeof number === "string" && signs(number) === signs(text));
}

function isBefore(a: Appointment, b: Appointment): number {
    if (a.scheduled_at !== b.scheduled_at) return a.scheduled_at < b.scheduled_at ? -1 : 1;
    return a.appointment_id - b.appointment_id;
}

/** The patients in the API's order, but a patient with exactly this number or ticket first. */
export function matchesOf(
    text: string,
    patients: readonly Pick<StoredPatient, "id" | "first_name" | "last_name" | "birth_date" | "record_number">[],
    items: readonly Appointment[],
): readonly Match[] {
    const all = patients.map(patient => {
        const appointments = items.filter(item => item.patient_id === patient.id).sort(isBefore);
        const names = [patient.first_name, patient.last_name].filter(Boolean).join(" ");
        const { birth_date, record_number } = patient;
        return {
            patient_id: patient.id,
            patient_name: names,
            family_name: patient.last_name,
            birth_date,
            record_number,
            appointments,
        };
    });
    const exact = all.filter(match => isExact(match, text));
    return [...exact, ...all.filter(match => !exact.includes(match))];
}

/** The appointments that a check-in of the patient opens. */
export function expectedOf(match: Match): readonly Appointment[] {
    return match.appointments.filter(item => item.status === "scheduled" || item.status === "confirmed");
}

/** Whether the patient can leave: something waits, and no consultation is in progress or paused. */
export function mayLeave({ appointments }: Match): boolean {
    const has = (status: Appointment["status"]): boolean => appointments.some(item => item.status === status);
    return has("pending") && !has("in_progress");
}

const isHere = (match: Match): boolean =>
    match.appointments.some(item => item.status === "pending" || item.status === "in_progress");

/** What the desk does first for a patient: check in, nothing because the patient has arrived, or a walk-in. */
export function firstActOf(match: Match): "check_in" | "arrived" | "walk_in" {
    if (expectedOf(match).length > 0) return "check_in";
    return isHere(match) ? "arrived" : "walk_in";
}

/** `choose`: several patients are possible, so the user must choose one. */
export type Enter = Match | "new_walk_in" | "choose" | "nothing";

/**
 * What Enter means in the field. `chosen` is the marked result, the first one without a choice. After the patients comes the new walk-in.
 * `isEarly`: Enter came before the user could see the answer, as after a scan. Then only a patient who is beyond doubt is meant.
 */
export function enterOf({ text, matches, more }: Answer, chosen: number, isEarly: boolean): Enter {
    if (!isEarly) return matches[chosen] ?? "new_walk_in";
    const [first, ...others] = matches;
    if (first === undefined) return "nothing";
    const exact = matches.filter(match => isExact(match, text));
    if (exact.length > 0) return exact.length === 1 ? first : "choose";
    // A number that only begins like this may be half of another patient's number.
    return others.length === 0 && !more && !/\p{N}/u.test(text) ? first : "choose";
}
