/** How long to wait before the next attempt; pure, it must not know what is attempted. */

import type { StreamLimits } from "./limits.js";

/** Seconds to wait after `failures` failures in a row, the first being 1. Anywhere from nothing to the bound, so that browsers which lost a server together do not come back together. */
export function backoff(failures: number, limits: StreamLimits, chance: number): number {
    return chance * Math.min(limits.backoffMost, limits.backoffFirst * 2 ** Math.min(failures - 1, 30));
}

/** Seconds that a `Retry-After` header asks for; undefined when there is none, or none that can be read. `now` in ms. */
export function readRetryAfter(header: string | null, now: number): number | undefined {
    if (header === null) return undefined;
    const text = header.trim();
    if (/^\d{1,9}$/.test(text)) return Number(text);
    const at = /[a-z]/i.test(text) ? Date.parse(text) : Number.NaN;
    return Number.isNaN(at) ? undefined : Math.max(0, (at - now) / 1000);
}
