/** How long a consultation has lasted, and when one over its expected time is marked as bad. */

interface Started {
    readonly started_at: string;
    /** The pauses that are over. */
    readonly paused_seconds: number;
}

/** A running consultation, in the names of the API. */
interface Running extends Started {
    readonly overdue_at: string;
    /** Without extensions, which move `overdue_at`. */
    readonly expected_minutes: number;
}

/** The start, moved by the pauses: since then the doctor would have been with the patient without them. In milliseconds since 1970. */
export function activeSince({ started_at, paused_seconds }: Started): number {
    return Date.parse(started_at) + paused_seconds * 1000;
}

/** How long the doctor of a running consultation has been with the patient, in milliseconds. */
export function activeTime(running: Started, now: number): number {
    return Math.max(0, now - activeSince(running));
}

/**
 * Over its time, and past twice the expected time, or another doctor waits for the patient. `now` is in milliseconds since 1970.
 */
export function isLongOver(running: Running, isAwaited: boolean, now: number): boolean {
    const isTwice = activeTime(running, now) >= 2 * running.expected_minutes * 60_000;
    return now >= Date.parse(running.overdue_at) && (isAwaited || isTwice);
}
