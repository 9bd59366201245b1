/** Chooses one tab of a browser, for what all of its tabs would do at the same moment. */

import { onScopeDispose, type Ref, ref, watch } from "vue";

/** The part of the browser's Web Locks that is used here. Browsers have them only with HTTPS and on the machine itself. */
export type Locks = Pick<LockManager, "request">;

/**
 * Whether this tab is the chosen one. Only a tab that `can` do it takes part. When the chosen one is closed or can no longer do it,
 * another one follows. Without locks each tab counts as chosen.
 */
export function useOneTab(name: string, can: Ref<boolean>, locks: Locks | undefined): Readonly<Ref<boolean>> {
    const isChosen = ref(false);
    let leave: (() => void) | undefined;

    async function join(): Promise<void> {
        if (locks === undefined) {
            isChosen.value = true;
            return;
        }
        const waiting = new AbortController();
        const done = new Promise<void>(resolve => {
            leave = () => {
                waiting.abort();
                resolve();
            };
        });
        // The lock is held until `done`. An aborted wait for it is no error.
        await locks
            .request(name, { signal: waiting.signal }, () => {
                if (waiting.signal.aborted) return undefined;
                isChosen.value = true;
                return done;
            })
            .catch(() => undefined);
    }

    function stop(): void {
        isChosen.value = false;
        leave?.();
        leave = undefined;
    }
    watch(
        can,
        is => {
            stop();
            if (is) void join();
        },
        { immediate: true },
    );
    onScopeDispose(stop);
    return isChosen;
}
