/** Single keys as shortcuts, for who wants them; it must not know what they do. */

import { onScopeDispose, ref } from "vue";
import { kept } from "./kept.js";

/** Off for those whose speech input or tremor presses keys unasked (WCAG 2.1.4). */
export const keysAreOn = ref(kept.get("keys") !== "off");

export function turnKeys(on: boolean): void {
    keysAreOn.value = on;
    kept.set("keys", on ? "on" : "off");
}

/** Whether a key pressed here is meant for what has the focus. */
function isTyping(target: EventTarget | null): boolean {
    return (
        target instanceof HTMLElement &&
        target.closest("input, select, textarea, [contenteditable], [role=dialog]") !== null
    );
}

/** Act on single keys while the component is there. `?` works even when the others are off: it is how to turn them on. */
export function useKeys(acts: Readonly<Record<string, (event: KeyboardEvent) => void>>): void {
    function pressed(event: KeyboardEvent): void {
        const act = acts[event.key];
        if (act === undefined || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
        const isHeld = event.repeat && event.key === "Enter";
        // A key that is held would start, and then complete what it has started.
        if (isHeld) event.preventDefault();
        if (isHeld || (!keysAreOn.value && event.key !== "?")) return;
        event.preventDefault();
        act(event);
    }
    document.addEventListener("keydown", pressed);
    onScopeDispose(() => document.removeEventListener("keydown", pressed));
}
