/** Keeps the focus on the row that has it, also when the row moves to another group. */

import { onBeforeUpdate, onUpdated, type Ref } from "vue";

/** Call it in the setup of the component that draws the list. A row that moves is drawn again, and would lose the focus. */
export function keepRowFocus(list: Ref<HTMLElement | null>): void {
    let focusedId: string | undefined;
    const focused = (): HTMLElement | null =>
        list.value?.contains(document.activeElement)
            ? (document.activeElement?.closest<HTMLElement>("[data-appointment]") ?? null)
            : null;
    onBeforeUpdate(() => {
        const row = focused();
        if (row !== null) focusedId = row.dataset.appointment;
        // A second update can come before the focus is set again. Then no element has it.
        else if (document.activeElement !== document.body) focusedId = undefined;
    });
    onUpdated(() => {
        if (focusedId !== undefined && focused() === null) {
            list.value?.querySelector<HTMLElement>(`[data-appointment="${focusedId}"]`)?.focus();
        }
        focusedId = undefined;
    });
}
