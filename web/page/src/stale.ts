/** Whether a page may be out of date: the stream is not open, or the last read failed. */

import { computed, type Ref } from "vue";
import { streamState } from "./live.js";

const AWAY = ["offline", "signed_out", "refused"];

export function useStale(failureCount: Ref<number>) {
    return computed(() => AWAY.includes(streamState.value.name) || failureCount.value > 0);
}
