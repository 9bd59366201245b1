/** Random names of one press or of one request. */

/** A new key. A page without HTTPS has no `crypto.randomUUID`. */
export function newKey(): string {
    const drawn = crypto.getRandomValues(new Uint8Array(16));
    return Array.from(drawn, byte => byte.toString(16).padStart(2, "0")).join("");
}
