/** Sends the command of one button press until the API decides it, under one Idempotency-Key. It works for any command. */

import { ProblemError } from "./client.js";
import { newKey } from "./keys.js";

/** How long the page retries while the outcome is unknown, in milliseconds. Then it reports that the outcome is unknown. */
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

/** Whether it is unknown after this error if the API carried out the request. */
export function isUnknown(error: unknown): error is ProblemError {
    return (
        error instanceof ProblemError &&
        (error.status === 0 || error.status === 502 || error.status === 503 || error.status === 504)
    );
}

let sitting = 0;

/** The user has left. Open commands are not retried under the name of the next user. */
export function standUp(): void {
    sitting += 1;
}

/** The decision on one press. All retries have the same key, so the command happens once. Throws ProblemError. */
export async function askUntilDecided<T>(
    call: (key: string) => Promise<T>,
    onUnknown: () => void = () => {},
    { now, wait }: Asking = REAL,
): Promise<T> {
    const key = newKey();
    const sittingAtPress = sitting;
    const until = now() + ASK_FOR;
    for (let pause = FIRST_WAIT; ; pause = Math.min(pause * 2, LONGEST_WAIT)) {
        try {
            return await call(key);
        } catch (error) {
            if (!isUnknown(error) || now() + pause > until || sittingAtPress !== sitting) throw error;
            onUnknown();
            await wait(Math.max(pause, Math.min((error.retryAfter ?? 0) * 1000, LONGEST_WAIT)));
            if (sittingAtPress !== sitting) throw error;
        }
    }
}
