/** Turns the pages of a screen on the wall, and measures how much fits on one. No one turns them by hand. */

import { computed, onScopeDispose, type Ref, ref, watch } from "vue";
import { now } from "../clock.js";

/** How long a page stays, in milliseconds. */
export const PAGE_STAYS = 12_000;

/** The number of the shown page, from 0. It goes on after `PAGE_STAYS` by the page's clock, and `showFirst` goes back. */
export function usePages(pages: Ref<readonly unknown[]>) {
    const start = ref(now.value);
    const shown = computed(() => Math.max(0, Math.floor((now.value - start.value) / PAGE_STAYS)) % pages.value.length);
    return {
        shown,
        showFirst: (): void => {
            start.value = now.value;
        },
    };
}

/** The inner size of an element, in pixels, kept up to date. `measure` is called again after each change. */
export function useMeasured<Size>(area: Ref<HTMLElement | null>, first: Size, measure: (area: HTMLElement) => Size) {
    const size = ref(first) as Ref<Size>;
    const look = (): void => {
        if (area.value !== null) size.value = measure(area.value);
    };
    const observer = new ResizeObserver(look);
    watch(area, (after, before) => {
        if (before) observer.unobserve(before);
        if (after) observer.observe(after);
        look();
    });
    onScopeDispose(() => observer.disconnect());
    return { size, look };
}
