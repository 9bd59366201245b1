/** Keeps the height of the cards on the screen while a pointer rests on them, so that a longer text moves no other card. */

import { type Ref, watch } from "vue";

export function useFixedHeights(list: Ref<HTMLElement | null>, isHeld: Ref<boolean>): void {
    const isOnScreen = (card: HTMLElement): boolean => {
        const { top, bottom } = card.getBoundingClientRect();
        return bottom > 0 && top < window.innerHeight;
    };
    watch(isHeld, held => {
        const cards = [...(list.value?.querySelectorAll<HTMLElement>(".card") ?? [])];
        const heights = cards.map(card => (held && isOnScreen(card) ? `${card.offsetHeight}px` : ""));
        cards.forEach((card, n) => {
            card.style.height = heights[n] ?? "";
            card.toggleAttribute("data-fixed", heights[n] !== "");
        });
    });
}
