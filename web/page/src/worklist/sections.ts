/** The sections of the worklist on the screen. A doctor sees the day of today in groups, everyone else one list by time. */

import { computed, type Ref, watch } from "vue";
import type { Appointment, Who } from "../api/client.js";
import { now } from "../clock.js";
import { GROUPS, type Group, grouped } from "./groups.js";
import { useSteadyOrder } from "./steady.js";

export interface Section {
    /** Null is the one list by time. */
    readonly group: Group | null;
    readonly rows: readonly Appointment[];
    /** Rows that have left this place since the order was last refreshed. Their place stays empty until then. */
    readonly leftIds: ReadonlySet<number>;
}

/** The groups whose rows keep their places. Now has its place at the top, and Done is closed at the bottom. */
const HELD = GROUPS.filter(group => group !== "now" && group !== "done");

/** By time. Times have one form and one zone, so their texts compare like they do. */
function byTime(a: Appointment, b: Appointment): number {
    if (a.scheduled_at !== b.scheduled_at) return a.scheduled_at < b.scheduled_at ? -1 : 1;
    return a.appointment_id - b.appointment_id;
}

/** `isMyDay`: the signed-in doctor's own list of today. `isHeld`: a pointer rests on the rows, so they must not move. */
export function useSections(
    items: Ref<readonly Appointment[]>,
    who: Ref<Who>,
    isMyDay: Ref<boolean>,
    isHeld: Ref<boolean>,
    listed: Ref<string>,
) {
    const groups = computed(() =>
        isMyDay.value ? grouped(items.value, who.value.doctor_id ?? 0, now.value) : undefined,
    );
    const wanted = computed(() => {
        const all = groups.value;
        if (all === undefined) return [[...items.value].sort(byTime).map(item => item.appointment_id)];
        return HELD.map(group => all[group].map(item => item.appointment_id));
    });
    const { order, isOld, refresh } = useSteadyOrder(wanted, isHeld);
    // Other filters show other rows, in their own order.
    watch(listed, refresh, { flush: "post" });

    const known = new Map<number, Appointment>();
    const sections = computed((): readonly Section[] => {
        for (const item of items.value) known.set(item.appointment_id, item);
        const elsewhere = [...(groups.value?.now ?? []), ...(groups.value?.done ?? [])];
        const moved = new Set(elsewhere.map(item => item.appointment_id));
        const present = new Set(items.value.map(item => item.appointment_id));
        const rows = order.value.map(ids => ids.flatMap(id => known.get(id) ?? []));
        const left = (id: number): boolean => moved.has(id) || !present.has(id);
        const steady = rows.map(list => ({
            rows: list,
            leftIds: new Set(list.map(item => item.appointment_id).filter(left)),
        }));
        if (groups.value === undefined) return steady.map(section => ({ group: null, ...section }));
        const live = (group: "now" | "done") => ({
            group,
            rows: groups.value?.[group] ?? [],
            leftIds: new Set<number>(),
        });
        return [live("now"), ...steady.map((section, n) => ({ group: HELD[n] ?? null, ...section })), live("done")];
    });
    return { sections, groups, isOld, refresh };
}
