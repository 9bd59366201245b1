/** The commands in the menu of one row: what the role may do in the row's situation, in pure functions. */

import type { Appointment, Who } from "../api/client.js";
import { hospitalDay } from "../clock.js";
import { isCalled, type Situation } from "./row.js";

/** Its doctor may take a start or a completion back for so long, in milliseconds. A supervisor may do it later too. */
export const UNDO_WITHIN = 5 * 60_000;

/** Those of `DialogCommand`, and `reassign_all`, open a dialog. */
export type MenuCommand =
    | "start"
    | "undo_start"
    | "transfer"
    | "send"
    | "reopen"
    | "release"
    | "check_in"
    | "check_in_patient"
    | "no_answer"
    | "check_out"
    | "check_out_patient"
    | "undo_check_out"
    | "undo_check_in"
    | "set_priority"
    | "reassign"
    | "reassign_all"
    | "no_show"
    | "cancel"
    | "undo_cancel";

const RUNNING: readonly Situation[] = ["mine", "overdue", "paused", "paused_elsewhere", "elsewhere"];

/** The menu of the row, in the order of the screen. On another day only what the API accepts then. */
export function menuOf(
    item: Appointment,
    situation: Situation,
    who: Pick<Who, "role" | "doctor_id" | "timezone" | "day_starts">,
    now: number,
    isToday = true,
): readonly MenuCommand[] {
    const isOwn = who.doctor_id !== null && who.doctor_id === item.doctor_id;
    const isSupervisor = who.role === "supervisor";
    const isDesk = isSupervisor || who.role === "reception";
    const within = (moment: string | null, always = isSupervisor): boolean =>
        always || (isOwn && moment !== null && now - Date.parse(moment) < UNDO_WITHIN);
    const commands: (MenuCommand | false)[] = [];
    if (RUNNING.includes(situation)) {
        commands.push(
            (isOwn || isSupervisor) && "transfer",
            isOwn && "send",
            within(item.started_at) && "undo_start",
            (isOwn || isDesk) && "set_priority",
            isSupervisor && "release",
        );
    } else if (situation === "done") {
        commands.push(within(item.completed_at, isSupervisor && isToday) && "reopen");
    } else if (situation === "canceled") {
        const day = item.canceled_at === null ? undefined : hospitalDay(Date.parse(item.canceled_at), who);
        commands.push(isDesk && day === hospitalDay(now, who) && "undo_cancel");
    } else if (isOwn || isDesk) {
        const isHere = item.status === "pending";
        // The API lets no patient leave who is in consultation or paused.
        const isBusy = item.patient.state === "in_consultation";
        commands.push(
            isOwn && situation === "expected" && "start",
            (isDesk || !isToday) && !isHere && "check_in",
            isDesk && isToday && !isHere && "check_in_patient",
            (isOwn || who.role === "reception") && isHere && isCalled(item, now) && "no_answer",
            isHere && "check_out",
            isDesk && isHere && !isBusy && "check_out_patient",
            isToday && item.left_at !== null && "undo_check_out",
            isHere && "undo_check_in",
            "set_priority",
            "reassign",
            isDesk && isToday && "reassign_all",
            isDesk && (isToday ? !item.present : Date.parse(item.scheduled_at) < now) && "no_show",
            isDesk && "cancel",
        );
    }
    return commands.filter(command => command !== false);
}
