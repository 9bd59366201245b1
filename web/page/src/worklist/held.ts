/** Whether a pointer rests on a list, one of its buttons has the focus, or the menu of a row is open. */

import { computed, onScopeDispose, type Ref, ref, watch } from "vue";
import { SETTLES_FOR } from "../settling.js";
import { openMenuOf } from "./open_menu.js";

/** A lifted finger holds the list for another second, because its click comes after it, and a second press may follow. */
export function useHeld(list: Ref<HTMLElement | null>): Readonly<Ref<boolean>> {
    const isOver = ref(false);
    const hasFocus = ref(false);
    let lifted: ReturnType<typeof setTimeout> | undefined;
    function enter(): void {
        clearTimeout(lifted);
        isOver.value = true;
    }
    function leave(event?: Event): void {
        clearTimeout(lifted);
        const isTouch = event instanceof PointerEvent && event.pointerType !== "mouse";
        if (isTouch) lifted = setTimeout(leave, SETTLES_FOR);
        else isOver.value = false;
    }
    const isOnButton = ({ target }: Event): boolean =>
        target instanceof Element && target.matches("button:focus-visible");
    const listeners: Readonly<Record<string, (event: Event) => void>> = {
        pointerenter: enter,
        pointerleave: leave,
        focusin: event => (hasFocus.value = isOnButton(event)),
        focusout: () => (hasFocus.value = false),
    };
    function stop(element: HTMLElement | null): void {
        for (const [name, listener] of Object.entries(listeners)) element?.removeEventListener(name, listener);
    }
    watch(list, (element, before) => {
        stop(before ?? null);
        for (const [name, listener] of Object.entries(listeners)) element?.addEventListener(name, listener);
        leave();
        hasFocus.value = false;
    });
    onScopeDispose(() => {
        clearTimeout(lifted);
        stop(list.value);
    });
    return computed(() => isOver.value || hasFocus.value || openMenuOf.value !== undefined);
}
