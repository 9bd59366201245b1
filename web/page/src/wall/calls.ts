/** What the screen in the waiting room shows: open calls, calls that are over, and how many patients wait, in pure functions. */

import type { CalledTicket, WaitingCount } from "../api/client.js";

/** How many calls that are over stay on the screen. */
const OVER_SHOWN = 6;
/** How long a call that is over stays on the screen, in milliseconds. */
export const OVER_FOR = 30 * 60_000;
/** How long a new call is marked, in milliseconds. */
export const NEW_FOR = 20_000;

const nameOf = (call: CalledTicket): string => `${call.ticket} ${call.since}`;

/** The calls that are not over yet. The screen reads again only some seconds after the end of a call. */
export function openCalls(called: readonly CalledTicket[], at: number): readonly CalledTicket[] {
    return called.filter(call => Date.parse(call.until) > at);
}

/** The calls that the screen has not shown yet. After the first read there are none, so that a reload makes no sound. */
export function newCalls(before: readonly CalledTicket[] | undefined, after: readonly CalledTicket[]) {
    if (before === undefined) return [];
    const known = new Set(before.map(nameOf));
    return after.filter(call => !known.has(nameOf(call)));
}

/** All calls of the last half hour, each ticket once. A patient who missed a call finds it below the open ones. */
export function rememberCalls(
    seen: readonly CalledTicket[],
    called: readonly CalledTicket[],
    at: number,
): readonly CalledTicket[] {
    const newest = new Map<string, CalledTicket>();
    for (const call of [...seen, ...called]) newest.set(call.ticket, call);
    return [...newest.values()].filter(call => at - Date.parse(call.since) < OVER_FOR);
}

/** The remembered calls that are over, the newest first. A ticket that is called again is not among them. */
export function callsOver(seen: readonly CalledTicket[], open: readonly CalledTicket[], at: number) {
    const tickets = new Set(open.map(call => call.ticket));
    return seen
        .filter(call => !tickets.has(call.ticket) && at - Date.parse(call.since) < OVER_FOR)
        .sort((call, other) => Date.parse(other.since) - Date.parse(call.since))
        .slice(0, OVER_SHOWN);
}

/** Whether the call is so new that the screen marks it. */
export function isNewCall(call: CalledTicket, at: number): boolean {
    return at - Date.parse(call.since) < NEW_FOR;
}

/** How many patients wait at a room. `room` is null for all doctors without one. */
export interface WaitingAtRoom {
    readonly room: string | null;
    readonly count: number;
}

/** The counts by room in the order of their names. No doctor is named in a public room, so those without a room are one line. */
export function waitingByRoom(counts: readonly WaitingCount[], locale: string): readonly WaitingAtRoom[] {
    const byRoom = new Map<string | null, number>();
    for (const { room, count } of counts) byRoom.set(room, (byRoom.get(room) ?? 0) + count);
    const order = new Intl.Collator(locale, { numeric: true });
    return [...byRoom]
        .map(([room, count]) => ({ room, count }))
        .sort(
            (one, other) =>
                Number(one.room === null) - Number(other.room === null) ||
                order.compare(one.room ?? "", other.room ?? ""),
        );
}
