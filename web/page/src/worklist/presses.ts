/** The presses of a doctor's buttons. It asks first where a press may be an accident, then sends the commands. */

import type { Ref } from "vue";
import { useI18n } from "vue-i18n";
import type { Appointment } from "../api/client.js";
import { now } from "../clock.js";
import type { Subject } from "../commands/calls.js";
import { useCommands } from "../commands/use_commands.js";
import { useIdentity } from "../identity.js";
import { ask } from "../questions.js";
import { useWho } from "../session.js";
import type { Action } from "./row.js";
import { startChoices } from "./start_choices.js";

/** A consultation that began less than this ago may have been started by accident, in milliseconds. */
export const YOUNG = 60_000;

/** `running` is the doctor's own exclusive consultation, if one runs. */
export function usePresses(running: Ref<Appointment | undefined>) {
    const { run, pendingOf } = useCommands();
    const { t } = useI18n();
    const { written } = useIdentity();
    const who = useWho();

    async function start(action: "start" | "resume", item: Subject & { exclusive?: boolean }): Promise<boolean> {
        const other = running.value;
        if (other === undefined || item.exclusive === false || other.appointment_id === item.appointment_id)
            return run(action, item);
        const choice = await ask({
            title: t("question.busy", { patient: written(other) }),
            text: t("question.busyWhat", { patient: written(item) }),
            choices: startChoices(who.value.doctor_busy).map(value => ({ value, label: t(`question.start.${value}`) })),
        });
        if (choice === "both") return run(action, item);
        return choice === "complete" && (await run("complete", other)) && run(action, item);
    }

    async function complete(item: Subject & { started_at?: string | null }): Promise<boolean> {
        const age = item.started_at ? now.value - Date.parse(item.started_at) : YOUNG;
        if (age >= YOUNG) return run("complete", item);
        const choice = await ask({
            title: t("question.young", { seconds: Math.max(0, Math.floor(age / 1000)) }),
            text: written(item),
            choices: [
                { value: "complete", label: t("action.complete") },
                { value: "undo_start", label: t("menu.undo_start") },
            ],
        });
        if (choice === "undo_start") await run("undo_start", item);
        return choice === "complete" && run("complete", item);
    }

    /** Returns whether this action was carried out, and not another one that the user chose instead. */
    function press(
        action: Action,
        item: Subject & { exclusive?: boolean; started_at?: string | null },
    ): Promise<boolean> {
        if (action === "start" || action === "resume") return start(action, item);
        return action === "complete" ? complete(item) : run(action, item);
    }

    return { press, pendingOf };
}
