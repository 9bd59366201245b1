/** What a choice in the menu of a patient's appointment does. Commands that need more than a press open a dialog. */

import type { Appointment } from "../api/client.js";
import { openDialog, opensDialog } from "../commands/dialogs.js";
import { openDoctorDialog } from "../commands/doctor_commands.js";
import { useCommands } from "../commands/use_commands.js";
import type { MenuCommand } from "./menu.js";
import type { Action } from "./row.js";

/** `press` does what the button of the row does: a start asks first. */
export function useMenuChoice(press: (action: Action, item: Appointment) => void) {
    const { run } = useCommands();

    return (command: MenuCommand, item: Appointment): void => {
        if (opensDialog(command)) openDialog.value = { command, of: item };
        else if (command === "start") press("start", item);
        else if (command === "no_show") void run("cancel", item, { cancel_reason: "no_show" });
        else if (command === "reassign_all")
            openDoctorDialog.value = { command, doctor: { id: item.doctor_id, name: item.doctor_name } };
        else void run(command, item);
    };
}
