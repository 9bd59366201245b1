/** Says when the session of a screen is about to end. Before the sign-in page appears, someone can sign in again. */

import type { Who } from "../api/client.js";

/** How long before its end, in milliseconds. */
export const SAID_BEFORE = 30 * 60_000;

/** The end of the session, once it is near. */
export function nearEnd({ expires_at }: Pick<Who, "expires_at">, at: number): string | undefined {
    return Date.parse(expires_at) - at < SAID_BEFORE ? expires_at : undefined;
}
