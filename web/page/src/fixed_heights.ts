/** Keeps the height of the cards or rows on the screen while a pointer rests on them, so that a longer text moves nothing. */

import { onScopeDispose, type Ref, watch } from "vue";

/** A place of a list, also when another element takes it: a row that has gone leaves an empty one. */
function placeOf(element: HTMLElement): string | undefined {
    const { place } = element.dataset;
    return place && `${element.closest<HTMLElement>("[data-group]")?.dataset.group} ${place}`;
}

interface Fixed {
    readonly height: string;
    /** The lines of the grid inside. Otherwise a longer text would move the buttons below it. */
    readonly lines: string;
}

export function useFixedHeights(list: Ref<HTMLElement | null>, isHeld: Ref<boolean>, selector: string): void {
    const places = new Map<string, Fixed>();
    const elements = (): HTMLElement[] => [...(list.value?.querySelectorAll<HTMLElement>(selector) ?? [])];
    const isOnScreen = (element: HTMLElement): boolean => {
        const { top, bottom } = element.getBoundingClientRect();
        return bottom > 0 && top < window.innerHeight;
    };
    const measure = (element: HTMLElement): Fixed => ({
        height: `${element.getBoundingClientRect().height}px`,
        lines: getComputedStyle(element).gridTemplateRows,
    });

    function fix(element: HTMLElement, fixed: Fixed | undefined): void {
        element.style.height = fixed?.height ?? "";
        element.style.gridTemplateRows = fixed?.lines ?? "";
        element.toggleAttribute("data-fixed", fixed !== undefined);
    }

    /** Called before the browser draws the new elements. */
    const added = new MutationObserver(() => {
        for (const element of elements()) {
            const fixed = places.get(placeOf(element) ?? "");
            if (fixed !== undefined && !element.hasAttribute("data-fixed")) fix(element, fixed);
        }
    });

    watch(isHeld, held => {
        const all = elements();
        const sizes = all.map(element => (held && isOnScreen(element) ? measure(element) : undefined));
        places.clear();
        all.forEach((element, n) => {
            const [place, fixed] = [placeOf(element), sizes[n]];
            fix(element, fixed);
            if (place !== undefined && fixed !== undefined) places.set(place, fixed);
        });
        added.disconnect();
        if (held && list.value !== null) added.observe(list.value, { childList: true, subtree: true });
    });
    onScopeDispose(() => added.disconnect());
}
