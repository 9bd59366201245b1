/** Computes how long to wait before the next attempt. */

import type { StreamLimits } from "./limits.js";

/** Seconds to wait after `failures` failures in a row (1 or more). A random time up to the limit, so that browsers do not all reconnect at once. */
export function backoff(failures: number, limits: StreamLimits, chance: number): number {
    return chance * Math.min(limits.backoffMost, limits.backoffFirst * 2 ** Math.min(failures - 1, 30));
}

/** The seconds of a `Retry-After` header, or undefined if it is missing or invalid. `now` in ms. */
export function readRetryAfter(header: string | null, now: number): number | undefined {
    if (header === null) return undefined;
    const text = header.trim();
    if (/^\d{1,9}$/.test(text)) return Number(text);
    const at = /[a-z]/i.test(text) ? Date.parse(text) : Number.NaN;
    return Number.isNaN(at) ? undefined : Math.max(0, (at - now) / 1000);
}
