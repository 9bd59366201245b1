/** The consultations that this page itself has ended, so that their events cause no notice. */

const REMEMBERED = 50;
const own = new Set<string>();

/** Call it before the command is sent: the event can come before the answer. */
export function noteOwnEnd(consultation: string | null): void {
    if (consultation === null) return;
    own.add(consultation);
    const [oldest] = own;
    if (own.size > REMEMBERED && oldest !== undefined) own.delete(oldest);
}

export function isOwnEnd(consultation: unknown): boolean {
    return typeof consultation === "string" && own.has(consultation);
}
