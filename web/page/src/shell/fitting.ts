/** Whether the content of an element fits into its width, in any language. */

import { nextTick, onScopeDispose, type Ref, ref, type WatchSource, watch } from "vue";

/** `fits` is true for a moment after each change of the width or of `sources`, so that the whole content can be measured. */
export function useFitting(element: Ref<HTMLElement | null>, sources: WatchSource[]): Readonly<Ref<boolean>> {
    const fits = ref(true);

    async function measure(): Promise<void> {
        const hadFocus = element.value?.contains(document.activeElement) ?? false;
        fits.value = true;
        await nextTick();
        // Both happen before the browser draws again.
        const shown = element.value;
        if (shown === null) return;
        fits.value = shown.scrollWidth <= shown.clientWidth;
        await nextTick();
        // What had the focus may have been replaced.
        if (hadFocus && !shown.contains(document.activeElement))
            shown.querySelector<HTMLElement>("[aria-current=page], button, a")?.focus();
    }
    const watching = new ResizeObserver(() => void measure());
    watch(
        element,
        (shown, before) => {
            if (before) watching.unobserve(before);
            if (shown) watching.observe(shown);
        },
        { flush: "post" },
    );
    watch(sources, measure);
    onScopeDispose(() => watching.disconnect());
    return fits;
}
