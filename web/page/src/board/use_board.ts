/** The current board, and the patients that have just changed, for the board's page and the wall's. */

import { computed, onScopeDispose, ref, watch } from "vue";
import { useBoard } from "../queries.js";
import { useStale } from "../stale.js";
import { changed, MARKED_FOR } from "./board.js";

export function useBoardPatients() {
    const { data, error, failureCount, isPending, refetch } = useBoard();
    const marked = ref<ReadonlySet<number>>(new Set());
    const timers = new Set<ReturnType<typeof setTimeout>>();

    watch(data, (after, before) => {
        const now = changed(before?.items, after?.items ?? []);
        if (now.size === 0) return;
        marked.value = new Set([...marked.value, ...now]);
        const timer = setTimeout(() => {
            timers.delete(timer);
            marked.value = new Set([...marked.value].filter(id => !now.has(id)));
        }, MARKED_FOR);
        timers.add(timer);
    });
    onScopeDispose(() => timers.forEach(clearTimeout));

    return {
        total: computed(() => data.value?.total ?? 0),
        isEmpty: computed(() => data.value?.items.length === 0),
        isStale: useStale(failureCount),
        data,
        error,
        isPending,
        refetch,
        marked,
    };
}
