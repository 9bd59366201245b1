/** Focus is never lost: where what had it is gone, the page's content has it. It must not know what was there. */

import type { Ref } from "vue";

/** Watch until the answer is called. */
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
