/** Notices which rows have just got another action, so that a second Enter does not do it unseen. */

import { type Ref, watch } from "vue";
import type { Appointment } from "../api/client.js";
import { SETTLES_FOR } from "../settling.js";
import type { Action } from "./row.js";

/** Returns whether Enter on this row does something else than a second ago. */
export function useChangedRows(
    rows: Ref<readonly Appointment[]>,
    actionOf: (item: Appointment) => Action | undefined,
): (appointment: number) => boolean {
    let actions = new Map<number, Action | undefined>();
    const changedAt = new Map<number, number>();
    watch(
        () => new Map(rows.value.map(item => [item.appointment_id, actionOf(item)])),
        next => {
            for (const [id, action] of next)
                if (actions.has(id) && actions.get(id) !== action) changedAt.set(id, performance.now());
            actions = next;
        },
    );
    return appointment => performance.now() - (changedAt.get(appointment) ?? Number.NEGATIVE_INFINITY) < SETTLES_FOR;
}
