/** What the tabs of one account say to each other; it must not know who leads. */

import { type Place, readCursor } from "./cursor.js";
import type { StreamState } from "./state.js";

/** `stamp` grows with each leader and each connection, so that a younger one is known from an older one. */
export type TabMessage =
    | { kind: "event"; stamp: number; after: Place; id: Place; name: string; text: string }
    | { kind: "moved"; stamp: number; after: Place; id: Place }
    | { kind: "reset"; stamp: number; place: Place; asked: Place | undefined }
    /** Where the leader's stream stands and how it is. */
    | { kind: "at"; stamp: number; place: Place | undefined; state: StreamState }
    /** A tab lacks what lies behind `from`. */
    | { kind: "ask"; stamp: number; from: Place }
    /** Is anybody there? Answered with `at`. */
    | { kind: "hello"; stamp: number }
    /** Somebody looks at a page, or is online again. `silence`: seconds without a word that make it worth a reconnect. */
    | { kind: "wake"; stamp: number; silence: number };

const KINDS: ReadonlySet<unknown> = new Set(["event", "moved", "reset", "at", "ask", "hello", "wake"]);

function isPlace(value: unknown): boolean {
    const place = value as Place | undefined;
    return typeof place === "object" && place !== null && readCursor(`${place.epoch}-${place.seq}`) !== undefined;
}

/** The message, or undefined for what another version of the page may have sent. */
export function readTabMessage(data: unknown): TabMessage | undefined {
    const found = data as Record<string, unknown> | null;
    if (typeof found !== "object" || found === null || !KINDS.has(found.kind)) return undefined;
    if (typeof found.stamp !== "number") return undefined;
    const places: Record<string, readonly string[]> = {
        event: ["after", "id"],
        moved: ["after", "id"],
        reset: ["place"],
        ask: ["from"],
    };
    const needed = places[found.kind as string] ?? [];
    return needed.every(name => isPlace(found[name])) ? (found as unknown as TabMessage) : undefined;
}
