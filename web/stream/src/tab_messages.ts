/** The messages between the tabs of one account. */

import { type Place, readCursor } from "./cursor.js";
import type { StreamState } from "./state.js";

/** `stamp` grows with each leader and each connection. It shows which of two connections is newer. */
export type TabMessage =
    | { kind: "event"; stamp: number; after: Place; id: Place; name: string; text: string }
    | { kind: "moved"; stamp: number; after: Place; id: Place }
    | { kind: "reset"; stamp: number; place: Place; asked: Place | undefined }
    /** The place and the state of the leader's stream. */
    | { kind: "at"; stamp: number; place: Place | undefined; state: StreamState }
    /** A tab misses the events after `from`. */
    | { kind: "ask"; stamp: number; from: Place }
    /** A follower asks for a leader. The leader answers with `at`. */
    | { kind: "hello"; stamp: number }
    /** A page became visible or online. Reconnect if the server was silent for `silence` seconds. */
    | { kind: "wake"; stamp: number; silence: number };

const KINDS: ReadonlySet<unknown> = new Set(["event", "moved", "reset", "at", "ask", "hello", "wake"]);

function isPlace(value: unknown): boolean {
    const place = value as Place | undefined;
    return typeof place === "object" && place !== null && readCursor(`${place.epoch}-${place.seq}`) !== undefined;
}

/** The message, or undefined if it is invalid. Another version of the page may have sent it. */
export function readTabMessage(data: unknown): TabMessage | undefined {
    const message = data as Record<string, unknown> | null;
    if (typeof message !== "object" || message === null || !KINDS.has(message.kind)) return undefined;
    if (typeof message.stamp !== "number") return undefined;
    const places: Record<string, readonly string[]> = {
        event: ["after", "id"],
        moved: ["after", "id"],
        reset: ["place"],
        ask: ["from"],
    };
    const required = places[message.kind as string] ?? [];
    return required.every(name => isPlace(message[name])) ? (message as unknown as TabMessage) : undefined;
}
