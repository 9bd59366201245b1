/** The limits of the client, with their defaults. */

/** Times in seconds. */
export interface StreamLimits {
    /** How often the server sends a heartbeat on a quiet stream. */
    heartbeat: number;
    /** After this many heartbeats of silence, a connection counts as dead and a leader as hanging. */
    watchdog: number;
    /** After this many heartbeats of silence, a page that becomes visible reconnects. */
    staleOnView: number;
    /** How long a new connection, a probe or the browser's own reconnect may take. */
    patience: number;
    /** The longest wait after the first failure. It doubles with each further failure. */
    backoffFirst: number;
    /** The longest wait after any number of failures. */
    backoffMost: number;
    /** After a connection has been open for this long, the next failure counts as the first. */
    steady: number;
    /** The longest `Retry-After` that is accepted. */
    retryAfterMost: number;
    /** How often the client retries by itself after a sign-out or a refusal. */
    slowRetry: number;
    /** The minimum time between reconnects because a page becomes visible or online. All tabs report this at the same moment. */
    wakeApart: number;
    /** How long a leader collects requests for missing events before it reconnects for all of them. */
    gather: number;
    /** How long a tab waits for missing events before it asks again. */
    askAgain: number;
}

export const DEFAULT_LIMITS: Readonly<StreamLimits> = {
    heartbeat: 15,
    watchdog: 2.5,
    staleOnView: 1.2,
    patience: 20,
    backoffFirst: 1,
    backoffMost: 30,
    steady: 5,
    retryAfterMost: 300,
    slowRetry: 300,
    wakeApart: 1,
    gather: 0.05,
    askAgain: 5,
};

/** The defaults, overridden by `given`. Throws RangeError for a limit that is not a positive number. */
export function withDefaults(given: Partial<StreamLimits> = {}): StreamLimits {
    const limits = { ...DEFAULT_LIMITS, ...given };
    for (const [name, value] of Object.entries(limits)) {
        if (!(Number.isFinite(value) && value > 0)) throw new RangeError(`limit ${name} must be a positive number`);
    }
    return limits;
}
