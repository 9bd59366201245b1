/** What a press on a button of a row does, on any page. */

import type { Appointment } from "../api/client.js";
import { useCommands } from "../commands/use_commands.js";
import { useWho } from "../session.js";
import { usePresses } from "./presses.js";
import type { Action } from "./row.js";
import { useRunning } from "./running.js";

export function useRowPress() {
    const who = useWho();
    const { run, pendingOf } = useCommands();
    // Only a doctor has an own consultation. For other staff this would read the whole day.
    const presses = who.value.doctor_id === null ? undefined : usePresses(useRunning());

    function press(action: Action, item: Appointment): void {
        void (presses === undefined ? run(action, item) : presses.press(action, item));
    }

    return { press, pendingOf };
}
