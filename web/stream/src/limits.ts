/** The bounds of the client, each with a name and a default; it must not know who sets them. */

/** Times in seconds. */
export interface StreamLimits {
    /** How often the server says something on a quiet stream. */
    heartbeat: number;
    /** Silence of this many heartbeats is a dead connection, or a leading tab that hangs. */
    watchdog: number;
    /** Silence of this many heartbeats is enough to reconnect when the page comes into view. */
    staleOnView: number;
    /** How long a new connection, a probe or the browser's own reconnect may take. */
    patience: number;
    /** The longest wait after a first failure; it doubles with each further one. */
    backoffFirst: number;
    /** The longest wait after any number of failures. */
    backoffMost: number;
    /** A connection that held for so long makes the next failure a first one. */
    steady: number;
    /** The longest `Retry-After` that is believed. */
    retryAfterMost: number;
    /** How often a sign-out or a refusal is looked at again by itself. */
    slowRetry: number;
    /** Reconnects because somebody looks or is online again are so far apart: all tabs say it at the same moment. */
    wakeApart: number;
    /** How long a leading tab gathers what other tabs lack before it goes back for all of them. */
    gather: number;
    /** How long a tab waits for what it asked for before it asks again. */
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

/** The defaults with what is given in their place. Throws RangeError for a limit that is no positive number. */
export function withDefaults(given: Partial<StreamLimits> = {}): StreamLimits {
    const limits = { ...DEFAULT_LIMITS, ...given };
    for (const [name, value] of Object.entries(limits)) {
        if (!(Number.isFinite(value) && value > 0)) throw new RangeError(`limit ${name} must be a positive number`);
    }
    return limits;
}
