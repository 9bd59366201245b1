/** Moves the focus to the search when a scanner types while the focus is elsewhere on the desk. */

import { onScopeDispose } from "vue";

/** A digit is no shortcut of the page, so it is the beginning of a scanned number. The field gets it, because it has the focus by then. */
export function useScans(focus: () => void): void {
    function pressed(event: KeyboardEvent): void {
        const isField =
            event.target instanceof HTMLElement &&
            event.target.closest("input, select, textarea, [role=dialog], [role=alertdialog], [role=menu]");
        if (/^\d$/.test(event.key) && !isField && !event.ctrlKey && !event.metaKey && !event.altKey) focus();
    }
    document.addEventListener("keydown", pressed);
    onScopeDispose(() => document.removeEventListener("keydown", pressed));
}
