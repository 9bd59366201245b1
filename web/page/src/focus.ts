/** Keeps the focus on the page: when the focused element disappears, the page's content gets the focus. */

import type { Ref } from "vue";

/** Starts to watch the focus. Returns a function that stops it. */
export function keepFocus(main: Ref<HTMLElement | null>): () => void {
    let last: Element | null = null;
    const remember = (event: FocusEvent): void => {
        last = event.target instanceof Element ? event.target : null;
    };
    const look = (): void => {
        const isLost = document.activeElement === null || document.activeElement === document.body;
        if (isLost && last !== null && !last.isConnected) main.value?.focus({ preventScroll: true });
    };
    const watching = new MutationObserver(look);
    document.addEventListener("focusin", remember);
    watching.observe(document.body, { childList: true, subtree: true });
    return () => {
        document.removeEventListener("focusin", remember);
        watching.disconnect();
    };
}
