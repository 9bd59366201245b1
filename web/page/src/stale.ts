/** Whether what a page shows may no longer be true: the stream is away, or the last reading failed. It must not know what is read. */

import { computed, type Ref } from "vue";
import { streamState } from "./live.js";

const AWAY = ["offline", "signed_out", "refused"];

export function useStale(failureCount: Ref<number>) {
    return computed(() => AWAY.includes(streamState.value.name) || failureCount.value > 0);
}
