/** Finds out from a HEAD request why the browser gave up a stream. */

import { readRetryAfter } from "./backoff.js";

export type Diagnosis =
    | { readonly kind: "signed_out" }
    | { readonly kind: "refused"; readonly status: number }
    /** The server says how long to wait, in seconds. */
    | { readonly kind: "wait"; readonly seconds: number }
    /** A temporary problem: a proxy's error page or a server that starts. Or there is no problem any more. */
    | { readonly kind: "passing" };

/** Status codes about the request itself: a repeat gets the same answer. 404 and 408 are missing, because proxies send them during a restart. */
const LASTING: ReadonlySet<number> = new Set([400, 403, 405, 406, 410, 414, 422, 431]);

export function diagnose(status: number, retryAfter: string | null, now: number): Diagnosis {
    if (status === 401) return { kind: "signed_out" };
    if (LASTING.has(status)) return { kind: "refused", status };
    const seconds = readRetryAfter(retryAfter, now);
    return seconds !== undefined && status >= 400 ? { kind: "wait", seconds } : { kind: "passing" };
}
