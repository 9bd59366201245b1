/** The desk's lists of today, of all doctors. Their rows stay in place while a pointer rests on them. */

import { useQuery } from "@tanstack/vue-query";
import { computed, type Ref, ref } from "vue";
import type { Appointment, StatusName, Worklist } from "../api/client.js";
import { hospitalDay, now } from "../clock.js";
import { PAGE_SIZE, readWorklist, WORKLIST } from "../queries.js";
import { useWho } from "../session.js";
import { openMenuOf } from "../worklist/open_menu.js";
import type { Section } from "../worklist/sections.js";
import { useSteadyOrder } from "../worklist/steady.js";
import { listsOf, TABS, type Tab } from "./lists.js";

/** All pages up to this one, as one list. */
async function readPages(
    date: string,
    statuses: readonly StatusName[],
    pages: number,
    signal: AbortSignal,
): Promise<Worklist> {
    const read = (page: number) =>
        readWorklist({ date, doctorId: null, search: "", statuses, page }, PAGE_SIZE, signal);
    const list = await read(1);
    for (let page = 2; page <= pages && list.items.length < list.total; page++)
        list.items.push(...(await read(page)).items);
    return list;
}

function useStatuses(statuses: readonly StatusName[]) {
    const who = useWho();
    const pages = ref(1);
    const date = computed(() => hospitalDay(now.value, who.value));
    const { data, error, failureCount, isPending, refetch } = useQuery({
        queryKey: computed(() => [
            WORKLIST,
            { date: date.value, doctorId: null, search: "", statuses, page: 1, pages: pages.value },
        ]),
        queryFn: ({ signal }) => readPages(date.value, statuses, pages.value, signal),
        placeholderData: shown => (shown?.date === date.value ? shown : undefined),
    });
    const hasMore = computed(() => data.value !== undefined && data.value.items.length < data.value.total);
    return { data, error, failureCount, isPending, refetch, hasMore, readMore: () => void pages.value++ };
}

export function useLists(isHeld: Ref<boolean>) {
    const expected = useStatuses(["scheduled", "confirmed"]);
    const arrived = useStatuses(["pending", "in_progress"]);
    const canceled = useStatuses(["canceled"]);
    const all = [expected, arrived, canceled];
    const lists = computed(() => {
        const [first, second, third] = all.map(list => list.data.value?.items ?? []);
        return listsOf(first ?? [], second ?? [], third ?? [], now.value);
    });
    const wanted = computed(() => TABS.map(tab => lists.value[tab].map(item => item.appointment_id)));
    const { order, isOld, refresh } = useSteadyOrder(wanted, isHeld);

    const known = new Map<number, Appointment>();
    const sections = computed((): Readonly<Record<Tab, Section>> => {
        for (const tab of TABS) for (const item of lists.value[tab]) known.set(item.appointment_id, item);
        const sectionOf = (tab: Tab): Section => {
            const ids = order.value[TABS.indexOf(tab)] ?? [];
            const present = new Set(lists.value[tab].map(item => item.appointment_id));
            const rows = ids.flatMap(id => known.get(id) ?? []);
            return {
                group: null,
                rows,
                leftIds: new Set(ids.filter(id => id !== openMenuOf.value && !present.has(id))),
            };
        };
        return {
            now: sectionOf("now"),
            late: sectionOf("late"),
            later: sectionOf("later"),
            arrived: sectionOf("arrived"),
            over: sectionOf("over"),
        };
    });
    return {
        lists,
        sections,
        isOld,
        refresh,
        hasMore: computed(() => all.some(list => list.hasMore.value)),
        readMore(): void {
            for (const list of all) if (list.hasMore.value) list.readMore();
        },
        error: computed(() => all.map(list => (list.data.value ? null : list.error.value)).find(Boolean)),
        failureCount: computed(() => Math.max(...all.map(list => list.failureCount.value))),
        isPending: computed(() => all.some(list => list.isPending.value)),
        refetch: () => Promise.all(all.map(list => list.refetch())),
    };
}
