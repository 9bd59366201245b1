/** The sections of the worklist on the screen. A doctor sees the day of today in groups, everyone else one list by time. */

import { computed, type Ref, shallowRef, watch } from "vue";
import type { Appointment, Who } from "../api/client.js";
import { now } from "../clock.js";
import { GROUPS, type Group, grouped } from "./groups.js";
import { openMenuOf } from "./open_menu.js";
import { useSteadyOrder } from "./steady.js";

export interface Section {
    /** Null is the one list by time. */
    readonly group: Group | null;
    readonly rows: readonly Appointment[];
    /** Rows that have left this place since the order was last refreshed. Their place stays empty until then. */
    readonly leftIds: ReadonlySet<number>;
}

/** The groups whose rows keep their places. Now has its own rule, and Done is closed at the bottom. */
const HELD = GROUPS.filter(group => group !== "now" && group !== "done");

/**
 * The rows of Now under a pointer. A row that has gone leaves its place empty, and a new one takes an empty place.
 * Now is never without a place. A new row without a place stays where it is.
 */
export function placesInNow(before: readonly number[], running: readonly number[]): readonly number[] {
    const added = running.filter(id => !before.includes(id));
    const places =
        before.length === 0 ? added.slice(0, 1) : before.map(id => (running.includes(id) ? id : (added.shift() ?? id)));
    return before.length > 1 || places.some(id => running.includes(id)) ? places : [];
}

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
    const running = computed(() => groups.value?.now.map(item => item.appointment_id) ?? []);
    const nowPlaces = shallowRef<readonly number[]>([]);
    watch(
        [running, isHeld, openMenuOf],
        () => {
            if (!isHeld.value) nowPlaces.value = running.value;
            else if (openMenuOf.value === undefined) nowPlaces.value = placesInNow(nowPlaces.value, running.value);
        },
        { immediate: true },
    );
    function refreshAll(): void {
        refresh();
        nowPlaces.value = running.value;
    }
    // Other filters show other rows, in their own order.
    watch(listed, refreshAll, { flush: "post" });

    const known = new Map<number, Appointment>();
    const sections = computed((): readonly Section[] => {
        for (const item of items.value) known.set(item.appointment_id, item);
        const over = groups.value?.done.map(item => item.appointment_id) ?? [];
        const moved = new Set([...nowPlaces.value.filter(id => running.value.includes(id)), ...over]);
        const present = new Set(items.value.map(item => item.appointment_id));
        const rows = order.value.map(ids => ids.flatMap(id => known.get(id) ?? []));
        const left = (id: number): boolean => id !== openMenuOf.value && (moved.has(id) || !present.has(id));
        const steady = rows.map(list => ({
            rows: list,
            leftIds: new Set(list.map(item => item.appointment_id).filter(left)),
        }));
        if (groups.value === undefined) return steady.map(section => ({ group: null, ...section }));
        const inNow = {
            group: "now" as const,
            rows: nowPlaces.value.flatMap(id => known.get(id) ?? []),
            leftIds: new Set(nowPlaces.value.filter(id => id !== openMenuOf.value && !running.value.includes(id))),
        };
        const done = { group: "done" as const, rows: groups.value.done, leftIds: new Set<number>() };
        return [inNow, ...steady.map((section, n) => ({ group: HELD[n] ?? null, ...section })), done];
    });
    const isWaiting = computed(() => running.value.some(id => !nowPlaces.value.includes(id)));
    return { sections, groups, isOld: computed(() => isOld.value || isWaiting.value), refresh: refreshAll };
}
