/** The one filled button of a screen: the next sensible action. */

import { ref } from "vue";
import type { Appointment } from "../api/client.js";
import type { Grouped } from "./groups.js";
import type { Action } from "./row.js";

/** The row with the filled button, and its action. */
export interface Filled {
    readonly appointment_id: number;
    readonly action: Action;
}

/** Whether a row on the screen has the filled button. Then an offer has none. */
export const isRowFilled = ref(false);

/** Complete of the first running consultation, else Start of the next patient. Without groups, the first row that has one. */
export function filledOf(
    rows: readonly Appointment[],
    groups: Grouped | undefined,
    actionsOf: (item: Appointment) => readonly Action[],
): Filled | undefined {
    const first = groups?.now.find(each => each.paused_at === null) ?? groups?.next[0];
    const candidates = groups === undefined ? rows : first === undefined ? [] : [first];
    for (const item of candidates) {
        const action = actionsOf(item).find(each => each === "complete" || each === "start");
        if (action !== undefined) return { appointment_id: item.appointment_id, action };
    }
    return undefined;
}
