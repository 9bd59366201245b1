/** One press of a button, asked until it is answered, under one Idempotency-Key; it must not know what is asked. */

import { ProblemError } from "./client.js";

/** How long an unknown outcome is asked for again before the page says that it does not know. */
export const ASK_FOR = 60_000;
const FIRST_WAIT = 1_000;
const LONGEST_WAIT = 8_000;

export interface Asking {
    readonly now: () => number;
    readonly wait: (milliseconds: number) => Promise<void>;
}

const REAL: Asking = {
    now: () => performance.now(),
    wait: milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds)),
};

/** A new key. Not `crypto.randomUUID`, which a page without HTTPS does not have. */
export function newKey(): string {
    const drawn = crypto.getRandomValues(new Uint8Array(16));
    return Array.from(drawn, byte => byte.toString(16).padStart(2, "0")).join("");
}

/** Whether this answer leaves open if the request was carried out. */
export function isUnknown(error: unknown): error is ProblemError {
    return (
        error instanceof ProblemError &&
        (error.status === 0 || error.status === 502 || error.status === 503 || error.status === 504)
    );
}

let sitting = 0;

/** Whoever sat here is gone: what was pressed is not asked again in the next one's name. */
export function standUp(): void {
    sitting += 1;
}

/** The decision on one press. The same key throughout: however often it is asked, it happens once. Throws ProblemError. */
export async function askUntilDecided<T>(
    call: (key: string) => Promise<T>,
    onUnknown: () => void = () => {},
    { now, wait }: Asking = REAL,
): Promise<T> {
    const key = newKey();
    const whose = sitting;
    const until = now() + ASK_FOR;
    for (let pause = FIRST_WAIT; ; pause = Math.min(pause * 2, LONGEST_WAIT)) {
        try {
            return await call(key);
        } catch (error) {
            if (!isUnknown(error) || now() + pause > until || whose !== sitting) throw error;
            onUnknown();
            await wait(Math.max(pause, Math.min((error.retryAfter ?? 0) * 1000, LONGEST_WAIT)));
            if (whose !== sitting) throw error;
        }
    }
}
