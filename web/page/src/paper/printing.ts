/** Builds the printed list when the browser is about to print. It would double every list on the screen if it were always there. */

import { type Component, getCurrentInstance, h, onScopeDispose, type Ref, render } from "vue";

/**
 * Fills `place` with the component before the browser prints, also from its own menu, and empties it afterwards.
 * The browser takes its picture as soon as `beforeprint` is handled, so the component is drawn at once and not with the next update.
 */
export function usePrinting(place: Ref<HTMLElement | null>, component: Component, props: () => object): void {
    const context = getCurrentInstance()?.appContext ?? null;
    const begin = (): void => {
        if (place.value === null) return;
        const node = h(component, { ...props() });
        node.appContext = context;
        render(node, place.value);
    };
    const end = (): void => {
        if (place.value !== null) render(null, place.value);
    };
    window.addEventListener("beforeprint", begin);
    window.addEventListener("afterprint", end);
    onScopeDispose(() => {
        window.removeEventListener("beforeprint", begin);
        window.removeEventListener("afterprint", end);
        end();
    });
}
