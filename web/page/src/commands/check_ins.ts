/** Takes back the check-ins of one press, and no earlier ones of the same patient. */

import { isUnknown } from "../api/asking.js";
import type { Appointment, Trackings } from "../api/client.js";

/**
 * The appointments that a check-in of a patient has opened. Its answer also lists what was open before, with an earlier time of arrival.
 * `arrivedBefore` are those that the page has shown as arrived: a check-in may have opened nothing.
 */
export function openedBy({ items }: Trackings, arrivedBefore: ReadonlySet<number>): readonly number[] {
    const waiting = items.filter(item => item.status === "pending");
    const newest = Math.max(...waiting.map(item => Date.parse(item.check_in_time)));
    return waiting
        .filter(item => Date.parse(item.check_in_time) === newest && !arrivedBefore.has(item.appointment_id))
        .map(item => item.appointment_id);
}

/** The appointments of these lists whose patients have arrived. */
export function arrivedIn(lists: readonly (readonly Appointment[])[]): ReadonlySet<number> {
    const arrived = lists.flat().filter(item => item.status === "pending" || item.status === "in_progress");
    return new Set(arrived.map(item => item.appointment_id));
}

/** Sends one call for each appointment. A failure of one stops no other. Throws the failure that says least. */
export async function sendEach(ids: readonly number[], send: (id: number) => Promise<unknown>): Promise<void> {
    const results = await Promise.allSettled(ids.map(send));
    const failures = results.flatMap(result => (result.status === "rejected" ? [result.reason as unknown] : []));
    // As long as one outcome is unknown, all are sent again under their keys.
    const failure = failures.find(isUnknown) ?? failures[0];
    if (failure !== undefined) throw failure;
}
