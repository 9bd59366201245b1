/** The one filled button of a doctor's screen: the next sensible action. A pure function. */

import type { Appointment } from "../api/client.js";
import type { Grouped } from "./groups.js";
import type { Action } from "./row.js";

/** Complete of the first running consultation, else Start of the next patient. Without groups, every row has its own. */
export function filledOf(
    item: Appointment,
    groups: Grouped | undefined,
    actions: readonly Action[],
): Action | undefined {
    const action = actions.find(each => each === "complete" || each === "start");
    if (groups === undefined) return action;
    const running = groups.now.find(each => each.paused_at === null);
    const first = running ?? groups.next[0];
    return first?.appointment_id === item.appointment_id ? action : undefined;
}
