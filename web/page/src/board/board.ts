/** Shortens names and finds changes on the board, in pure functions. */

import type { BoardItem } from "../api/client.js";

/** How long a change is marked, in milliseconds. */
export const MARKED_FOR = 2_500;

/** `J. D.` for John Doe, for a screen that strangers can see. */
export function initials(name: string): string {
    const words = name.trim().split(/\s+/u);
    const shown = words.length > 1 ? [words[0], words[words.length - 1]] : words;
    return shown.map(word => `${[...(word ?? "")][0] ?? ""}.`.toLocaleUpperCase()).join(" ");
}

/** The ids of the patients with a changed item since the last read of the board. Empty after the first read. */
export function changed(before: readonly BoardItem[] | undefined, after: readonly BoardItem[]): ReadonlySet<number> {
    if (before === undefined) return new Set();
    const known = new Map(before.map(item => [item.patient_id, JSON.stringify(item)]));
    return new Set(
        after.filter(item => known.get(item.patient_id) !== JSON.stringify(item)).map(item => item.patient_id),
    );
}
