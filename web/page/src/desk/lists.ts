/** Today's appointments as the reception looks at them, in pure functions. */

import type { Appointment } from "../api/client.js";

export const TABS = ["now", "late", "later", "arrived", "over"] as const;
export type Tab = (typeof TABS)[number];
export type Lists = Readonly<Record<Tab, readonly Appointment[]>>;

/** A patient is expected now from so long before the appointment, in milliseconds. */
export const SOON = 60 * 60_000;
/** From this delay on a patient is late, in milliseconds. */
export const LATE = 60_000;

/** How many rows of each of the API's lists the page has not read. */
export interface Unread {
    readonly expected: number;
    readonly arrived: number;
    readonly canceled: number;
}

/** The count of each tab. `more`: some of the rows that are not read may belong to the tab too. */
export type Counts = Readonly<Record<Tab, { readonly n: number; readonly more: boolean }>>;

export function countsOf(lists: Lists, unread: Unread): Counts {
    // Only the times of rows that are not read say which tab they belong to.
    const more = unread.expected > 0;
    return {
        now: { n: lists.now.length, more },
        late: { n: lists.late.length, more },
        later: { n: lists.later.length, more },
        arrived: { n: lists.arrived.length + unread.arrived, more: false },
        over: { n: lists.over.length + unread.canceled, more },
    };
}

/** Expected soon, late, expected later today, in the house, and canceled or left. `lists` are the API's, by status. */
export function listsOf(
    expected: readonly Appointment[],
    arrived: readonly Appointment[],
    canceled: readonly Appointment[],
    now: number,
): Lists {
    const lists: Record<Tab, Appointment[]> = { now: [], late: [], later: [], arrived: [...arrived], over: [] };
    for (const item of expected) {
        const until = Date.parse(item.scheduled_at) - now;
        // A patient in the house, between two appointments, is not late.
        const isLate = until <= -LATE && !item.present;
        if (item.left_at !== null) lists.over.push(item);
        else lists[isLate ? "late" : until < SOON ? "now" : "later"].push(item);
    }
    lists.arrived.sort((a, b) => (a.checked_in_at ?? "").localeCompare(b.checked_in_at ?? ""));
    lists.over.push(...canceled);
    return lists;
}
