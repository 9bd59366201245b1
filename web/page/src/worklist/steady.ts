/** Keeps the order of rows while a pointer rests on them or one of their buttons has the focus. */

import { type Ref, ref, shallowRef, watch } from "vue";

/** The ids of the rows of each group, in order. */
export type Order<Id> = readonly (readonly Id[])[];

const sameOrder = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

/**
 * `order` follows `wanted`, but not while `isHeld`. `isOld` says that the order has changed since then, and `refresh` shows it.
 * So a row never moves under a pointer that is about to press.
 */
export function useSteadyOrder<Id extends number | string>(wanted: Ref<Order<Id>>, isHeld: Ref<boolean>) {
    const order = shallowRef(wanted.value);
    const isOld = ref(false);

    function refresh(): void {
        if (!sameOrder(order.value, wanted.value)) order.value = wanted.value;
        isOld.value = false;
    }
    watch([wanted, isHeld], () => {
        if (isHeld.value && order.value.some(ids => ids.length > 0))
            isOld.value = !sameOrder(order.value, wanted.value);
        else refresh();
    });
    return { order, isOld, refresh };
}
