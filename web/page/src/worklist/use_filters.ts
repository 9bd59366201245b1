/** The worklist's filters, stored in the address, so that Back, a reload and a bookmark show the same rows. */

import { computed, type Ref } from "vue";
import { useRoute, useRouter } from "vue-router";
import type { Who } from "../api/client.js";
import { daysLater, hospitalDay, now } from "../clock.js";
import { type Filters, readFilters, writeFilters } from "./filters.js";

export function useFilters(who: Ref<Who>) {
    const route = useRoute();
    const router = useRouter();
    const filters = computed(() => readFilters(route.query, route.hash));
    const today = computed(() => hospitalDay(now.value, who.value));
    const day = computed(() => filters.value.date ?? today.value);

    /** With `typing` the address is replaced. Otherwise Back would remove one letter. */
    function change(changed: Partial<Filters>, typing = false): void {
        const address = writeFilters({ ...filters.value, ...changed });
        void (typing ? router.replace(address) : router.push(address));
    }

    function turnDay(days: number): void {
        const date = daysLater(day.value, days);
        change({ date: date === today.value ? undefined : date, page: 1 });
    }

    return { filters, day, today, change, turnDay };
}
