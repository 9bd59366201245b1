/** When a consultation over its expected time is marked as bad. */

interface Running {
    readonly started: string;
    readonly due: string;
    /** Whether another doctor waits for the patient. */
    readonly isAwaited: boolean;
}

/** Past twice the expected time, or past the expected time while another doctor waits. `now` is in milliseconds since 1970. */
export function isLongOver({ started, due, isAwaited }: Running, now: number): boolean {
    const [start, end] = [Date.parse(started), Date.parse(due)];
    return now >= end && (isAwaited || now - start >= 2 * (end - start));
}
