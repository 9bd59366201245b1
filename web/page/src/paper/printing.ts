/** Whether the browser prints at the moment. Only then the page builds the printed list, which would double every list. */

import { onScopeDispose, ref } from "vue";

export function usePrinting() {
    const isPrinting = ref(false);
    const begin = (): void => {
        isPrinting.value = true;
    };
    const end = (): void => {
        isPrinting.value = false;
    };
    window.addEventListener("beforeprint", begin);
    window.addEventListener("afterprint", end);
    onScopeDispose(() => {
        window.removeEventListener("beforeprint", begin);
        window.removeEventListener("afterprint", end);
    });
    return isPrinting;
}
