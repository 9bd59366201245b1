/** The calls on the screen in the waiting room: the open ones, and the last ones that are over. */

import { computed, type Ref, shallowRef, watch } from "vue";
import type { CalledTicket, Wall } from "../api/client.js";
import { now } from "../clock.js";
import { callsOver, newCalls, openCalls, rememberCalls } from "./calls.js";

/** `onNew` is called for each read with a new call. */
export function useCalls(wall: Readonly<Ref<Wall | undefined>>, onNew: () => void) {
    const seen = shallowRef<readonly CalledTicket[]>([]);
    const open = computed(() => openCalls(wall.value?.called ?? [], now.value));

    watch(
        wall,
        (after, before) => {
            if (after === undefined) return;
            // On a new day the tickets begin again at A01.
            const earlier = after.date === before?.date ? seen.value : [];
            seen.value = rememberCalls(earlier, after.called, now.value);
            if (newCalls(before?.called, after.called).length > 0) onNew();
        },
        { immediate: true },
    );

    return { open, over: computed(() => callsOver(seen.value, open.value, now.value)) };
}
