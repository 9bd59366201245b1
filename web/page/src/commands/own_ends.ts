/** The consultations that this page itself has ended, so that their events cause no notice. */

import { isUnknown } from "../api/asking.js";

const REMEMBERED = 50;
const own = new Set<string>();

/**
 * Sends a command that ends a consultation. It is noted before, because the event can come before the answer.
 * After a refusal, the next end of this consultation is someone else's.
 */
export async function endingOwn<T>(consultation: string | null, send: () => Promise<T>): Promise<T> {
    if (consultation === null) return send();
    own.add(consultation);
    const [oldest] = own;
    if (own.size > REMEMBERED && oldest !== undefined) own.delete(oldest);
    try {
        return await send();
    } catch (error) {
        if (!isUnknown(error)) own.delete(consultation);
        throw error;
    }
}

export function isOwnEnd(consultation: unknown): boolean {
    return typeof consultation === "string" && own.has(consultation);
}
