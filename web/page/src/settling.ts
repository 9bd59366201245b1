/** Makes new and changed buttons dead for a second, so that a press meant for what was there before does not press them. */

import { type InjectionKey, inject, onMounted, onScopeDispose, provide, type Ref, ref, watch } from "vue";

/** How long a new or changed button ignores presses, in milliseconds. */
export const SETTLES_FOR = 1_000;

const LIST: InjectionKey<{ isShown: boolean }> = Symbol("list");

/**
 * Call it in the setup of a list: a row that is added to it later may appear under a pointer, so it is dead at first.
 * `isRead`: the list has its first rows.
 */
export function settleNewRows(isRead = (): boolean => true): void {
    const list = { isShown: false };
    provide(LIST, list);
    onMounted(() => watch(isRead, is => (list.isShown = is), { immediate: true, flush: "post" }));
}

/**
 * True for a second after each change of `actions`, and in a new row of a list.
 * Not in the first rows, because then nothing was there to press.
 */
export function useSettling(actions: () => string): Ref<boolean> {
    const isSettling = ref(false);
    let timer: ReturnType<typeof setTimeout> | undefined;
    function settle(): void {
        isSettling.value = true;
        clearTimeout(timer);
        timer = setTimeout(() => (isSettling.value = false), SETTLES_FOR);
    }
    if (inject(LIST, undefined)?.isShown === true) settle();
    watch(actions, settle);
    onScopeDispose(() => clearTimeout(timer));
    return isSettling;
}
