/** The desk's lists of today, of all doctors. Their rows stay in place while a pointer rests on them. */

import { useQuery } from "@tanstack/vue-query";
import { computed, type Ref, ref } from "vue";
import type { Appointment, StatusName } from "../api/client.js";
import { hospitalDay, now } from "../clock.js";
import { PAGE_SIZE, readWorklistPages, WHOLE, WORKLIST } from "../queries.js";
import { useWho } from "../session.js";
import { openMenuOf } from "../worklist/open_menu.js";
import type { Section } from "../worklist/sections.js";
import { useSteadyOrder } from "../worklist/steady.js";
import { countsOf, listsOf, TABS, type Tab } from "./lists.js";

function useStatuses(statuses: readonly StatusName[]) {
    const who = useWho();
    const pages = ref(1);
    const date = computed(() => hospitalDay(now.value, who.value));
    const { data, error, failureCount, isPending, refetch } = useQuery({
        ...WHOLE,
        queryKey: computed(() => [
            WORKLIST,
            { date: date.value, doctorId: null, search: "", statuses, page: 1, pages: pages.value },
        ]),
        queryFn: ({ signal }) => {
            const wanted = { date: date.value, doctorId: null, search: "", statuses, page: 1 };
            return readWorklistPages(wanted, PAGE_SIZE, pages.value, signal);
        },
        placeholderData: shown => (shown?.date === date.value ? shown : undefined),
    });
    const unread = computed(() =>
        data.value === undefined ? 0 : Math.max(0, data.value.total - data.value.items.length),
    );
    const hasMore = computed(() => unread.value > 0);
    return { data, error, failureCount, isPending, refetch, unread, hasMore, readMore: () => void pages.value++ };
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
        unreadArrived: arrived.unread,
        counts: computed(() =>
            countsOf(lists.value, {
                expected: expected.unread.value,
                arrived: arrived.unread.value,
                canceled: canceled.unread.value,
            }),
        ),
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
