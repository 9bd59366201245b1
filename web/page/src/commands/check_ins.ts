/** Takes back the check-ins of one press, and no earlier ones of the same patient. */

import { isUnknown } from "../api/asking.js";
import type { Trackings } from "../api/client.js";

/**
 * The appointments that a check-in of a patient has opened. Its answer also lists what was open before.
 * Without `opened` nothing is known, as in the stored answer of an older version. Then there is no Undo.
 */
export function openedBy({ opened = [] }: Trackings): readonly number[] {
    return opened;
}

/** Sends one call for each appointment. A failure of one stops no other. Throws the failure that says least. */
export async function sendEach(ids: readonly number[], send: (id: number) => Promise<unknown>): Promise<void> {
    const results = await Promise.allSettled(ids.map(send));
    const failures = results.flatMap(result => (result.status === "rejected" ? [result.reason as unknown] : []));
    // As long as one outcome is unknown, all are sent again under their keys.
    const failure = failures.find(isUnknown) ?? failures[0];
    if (failure !== undefined) throw failure;
}
