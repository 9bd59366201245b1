/** The lanes on the screen: while a pointer rests on them, no lane and no card moves or disappears. */

import { computed, type Ref } from "vue";
import { type Order, useSteadyOrder } from "../worklist/steady.js";
import type { Lane, LaneEntry } from "./lanes.js";

export interface Card {
    readonly key: string;
    readonly entry: LaneEntry;
    /** The patient is no longer here. The card keeps its place, without buttons. */
    readonly isGone: boolean;
}

/** `entries` are the patients who are here now, `cards` also those who have just gone. */
export interface SteadyLane extends Lane {
    readonly cards: readonly Card[];
}

function cardKey({ item, appointment }: LaneEntry): string {
    return `${item.patient_id} ${appointment}`;
}

/** The key of each lane, then the keys of its cards. */
function orderOf(lanes: readonly Lane[]): Order<string> {
    return lanes.map(lane => [lane.key, ...lane.entries.map(cardKey)]);
}

/** `before`: the lanes that were last on the screen. Each lane and card of the order that is no longer there comes from them. */
export function lanesInOrder(
    order: Order<string>,
    lanes: readonly Lane[],
    before: readonly SteadyLane[],
): readonly SteadyLane[] {
    const byKey = new Map(lanes.map(lane => [lane.key, lane]));
    const last = new Map(before.map(lane => [lane.key, lane]));
    return order.flatMap(([key = "", ...cardKeys]) => {
        const lane = byKey.get(key) ?? emptied(last.get(key));
        if (lane === undefined) return [];
        const entries = new Map(lane.entries.map(entry => [cardKey(entry), entry]));
        const lastCards = new Map(last.get(key)?.cards.map(card => [card.key, card]));
        const cards = cardKeys.flatMap((id): Card[] => {
            const entry = entries.get(id);
            if (entry !== undefined) return [{ key: id, entry, isGone: false }];
            const card = lastCards.get(id);
            return card === undefined ? [] : [{ ...card, isGone: true }];
        });
        return [{ ...lane, cards }];
    });
}

function emptied(lane: SteadyLane | undefined): Lane | undefined {
    return lane && { ...lane, entries: [], waiting: 0, longestSince: null };
}

export function useSteadyLanes(lanes: Ref<readonly Lane[]>, isHeld: Ref<boolean>) {
    const { order, isOld, refresh } = useSteadyOrder(
        computed(() => orderOf(lanes.value)),
        isHeld,
    );
    const shown = computed((before: readonly SteadyLane[] | undefined) =>
        lanesInOrder(order.value, lanes.value, before ?? []),
    );
    return { shown, isOld, refresh };
}
