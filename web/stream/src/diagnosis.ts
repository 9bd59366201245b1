/** What a probe's answer says of a stream that the browser has given up; pure, it must not know what follows from it. */

import { readRetryAfter } from "./backoff.js";

export type Diagnosis =
    | { readonly kind: "signed_out" }
    | { readonly kind: "refused"; readonly status: number }
    /** The server names its own wait, in seconds. */
    | { readonly kind: "wait"; readonly seconds: number }
    /** Nothing that lasts: a proxy's page, a server that starts, or all well again. */
    | { readonly kind: "passing" };

/** Answers about the request itself: the same request gets them again. 404 and 408 are what a proxy says of a server that restarts. */
const LASTING: ReadonlySet<number> = new Set([400, 403, 405, 406, 410, 414, 422, 431]);

export function diagnose(status: number, retryAfter: string | null, now: number): Diagnosis {
    if (status === 401) return { kind: "signed_out" };
    if (LASTING.has(status)) return { kind: "refused", status };
    const seconds = readRetryAfter(retryAfter, now);
    return seconds !== undefined && status >= 400 ? { kind: "wait", seconds } : { kind: "passing" };
}
