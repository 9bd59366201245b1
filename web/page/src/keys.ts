/** Single keys as shortcuts, which a user can turn off. Each component passes its own actions. */

import { onScopeDispose, ref } from "vue";
import { kept } from "./kept.js";

/** A user can turn them off if speech input or a tremor presses keys by mistake (WCAG 2.1.4). */
export const keysAreOn = ref(kept.get("keys") !== "off");

export function turnKeys(on: boolean): void {
    keysAreOn.value = on;
    kept.set("keys", on ? "on" : "off");
}

/** Whether the focused element uses this key itself. */
function isTyping(target: EventTarget | null): boolean {
    return (
        target instanceof HTMLElement &&
        target.closest("input, select, textarea, [contenteditable], [role=dialog], [role=alertdialog], [role=menu]") !==
            null
    );
}

/** Handles single keys while the component is mounted. `?` always works, because its dialog turns the other keys on. */
export function useKeys(acts: Readonly<Record<string, (event: KeyboardEvent) => void>>): void {
    function pressed(event: KeyboardEvent): void {
        const act = acts[event.key];
        if (act === undefined || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
        const isHeld = event.repeat && event.key === "Enter";
        // A held Enter would start a consultation and then complete it.
        if (isHeld) event.preventDefault();
        if (isHeld || (!keysAreOn.value && event.key !== "?")) return;
        event.preventDefault();
        act(event);
    }
    document.addEventListener("keydown", pressed);
    onScopeDispose(() => document.removeEventListener("keydown", pressed));
}
