/** Makes changed buttons dead for a second, so that a press meant for the old action does not press the new one. */

import { onScopeDispose, type Ref, ref, watch } from "vue";

/** How long a changed button ignores presses, in milliseconds. */
export const SETTLES_FOR = 1_000;

/** True for a second after each change of `actions`. Not at first, because then nothing was there to press. */
export function useSettling(actions: () => string): Ref<boolean> {
    const isSettling = ref(false);
    let timer: ReturnType<typeof setTimeout> | undefined;
    watch(actions, () => {
        isSettling.value = true;
        clearTimeout(timer);
        timer = setTimeout(() => (isSettling.value = false), SETTLES_FOR);
    });
    onScopeDispose(() => clearTimeout(timer));
    return isSettling;
}
