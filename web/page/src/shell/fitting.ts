/** Whether the content of an element fits into its width, in any language. */

import { nextTick, onScopeDispose, type Ref, ref, type WatchSource, watch } from "vue";

/** `fits` is true for a moment after each change of the width or of `sources`, so that the whole content can be measured. */
export function useFitting(element: Ref<HTMLElement | null>, sources: WatchSource[]): Readonly<Ref<boolean>> {
    const fits = ref(true);

    async function measure(): Promise<void> {
        fits.value = true;
        await nextTick();
        // Both happen before the browser draws again.
        const shown = element.value;
        if (shown !== null) fits.value = shown.scrollWidth <= shown.clientWidth;
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
