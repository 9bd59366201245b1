/** A doctor's day in groups: who is with the doctor, who is next, who can come, who cannot, in pure functions. */

import type { Appointment } from "../api/client.js";
import { calledElsewhere, isOwnCall, rowOf, type Situation } from "./row.js";

export const GROUPS = ["now", "next", "ready", "elsewhere", "not_here", "done"] as const;
export type Group = (typeof GROUPS)[number];

const GROUP_OF: Readonly<Record<Situation, Exclude<Group, "next">>> = {
    mine: "now",
    overdue: "now",
    paused: "now",
    reserved_for_me: "ready",
    free: "ready",
    busy: "elsewhere",
    in_line: "elsewhere",
    reserved: "elsewhere",
    elsewhere: "elsewhere",
    paused_elsewhere: "elsewhere",
    expected: "not_here",
    planned: "not_here",
    done: "done",
    canceled: "done",
};

export type Grouped = Readonly<Record<Group, readonly Appointment[]>>;

/** A patient who has not answered so many calls is no longer called. The API counts the same. */
const MAX_NO_ANSWERS = 3;

/** Whether the row's consultation is in Now. */
export function isNow(item: Appointment, doctorId: number, now: number): boolean {
    return GROUP_OF[rowOf(item, doctorId, now).situation] === "now";
}

/** Whether a call may reach the patient: not after three silent calls, and not while the patient is called for another appointment. */
function isCallable(item: Appointment, now: number): boolean {
    return item.no_answers < MAX_NO_ANSWERS && calledElsewhere(item, now) === null;
}

/** The row whose patient a call would call: the first of the doctor's whole list who is in the house and free, or is called already. */
export function nextCall(items: readonly Appointment[], doctorId: number, now: number): Appointment | undefined {
    const situation = (item: Appointment): Situation => rowOf(item, doctorId, now).situation;
    const called = items.find(item => isOwnCall(item, doctorId, now));
    if (called !== undefined) return called;
    const isFree = (item: Appointment): boolean => ["free", "reserved_for_me"].includes(situation(item));
    return items.find(item => isFree(item) && item.present && isCallable(item, now));
}

/**
 * The rows of today by group, each group in the order of the list, which is the order of the calls.
 * Next is the patient whom this doctor has called, or who is reserved for this doctor, or else the first who can be called.
 */
export function grouped(items: readonly Appointment[], doctorId: number, now: number): Grouped {
    const groups = Object.fromEntries(GROUPS.map(group => [group, [] as Appointment[]])) as Record<
        Group,
        Appointment[]
    >;
    for (const item of items) groups[GROUP_OF[rowOf(item, doctorId, now).situation]].push(item);
    const isReserved = (item: Appointment): boolean => rowOf(item, doctorId, now).situation === "reserved_for_me";
    const next =
        groups.ready.find(item => isOwnCall(item, doctorId, now)) ??
        groups.ready.find(isReserved) ??
        groups.ready.find(item => isCallable(item, now));
    if (next !== undefined) {
        groups.next.push(next);
        groups.ready.splice(groups.ready.indexOf(next), 1);
    }
    return groups;
}

/** The rows before the next patient in the order of the calls whose patients are with someone else, or called. They are passed over. */
export function passedOver(items: readonly Appointment[], groups: Grouped, now: number): readonly Appointment[] {
    const [next] = groups.next;
    const before = next === undefined ? items : items.slice(0, items.indexOf(next));
    const isTaken = (item: Appointment): boolean =>
        groups.elsewhere.includes(item) || (groups.ready.includes(item) && calledElsewhere(item, now) !== null);
    return before.filter(item => item.present && isTaken(item));
}
