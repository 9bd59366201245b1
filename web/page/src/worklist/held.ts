/** Whether a mouse rests on a list, or one of its buttons has the focus. */

import { onScopeDispose, type Ref, ref, watch } from "vue";

/** A touch leaves no pointer on the list, so it holds nothing. */
export function useHeld(list: Ref<HTMLElement | null>): Ref<boolean> {
    const isHeld = ref(false);
    let isOver = false;
    let hasFocus = false;
    const set = (over: boolean, focus: boolean): void => {
        isOver = over;
        hasFocus = focus;
        isHeld.value = isOver || hasFocus;
    };
    const isMouse = (event: Event): boolean => event instanceof PointerEvent && event.pointerType === "mouse";
    const isOnButton = ({ target }: Event): boolean =>
        target instanceof Element && target.matches("button:focus-visible");
    const listeners: Readonly<Record<string, (event: Event) => void>> = {
        pointerenter: event => set(isMouse(event), hasFocus),
        pointerleave: () => set(false, hasFocus),
        focusin: event => set(isOver, isOnButton(event)),
        focusout: () => set(isOver, false),
    };
    function stop(element: HTMLElement | null): void {
        for (const [name, listener] of Object.entries(listeners)) element?.removeEventListener(name, listener);
    }
    watch(list, (element, before) => {
        stop(before ?? null);
        for (const [name, listener] of Object.entries(listeners)) element?.addEventListener(name, listener);
        set(false, false);
    });
    onScopeDispose(() => stop(list.value));
    return isHeld;
}
