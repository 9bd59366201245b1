/** A patient leaves without being seen. It asks first, because the patient goes from the screen. */

import { useI18n } from "vue-i18n";
import { useIdentity } from "../identity.js";
import { ask } from "../questions.js";
import type { Subject } from "./calls.js";
import { useCommands } from "./use_commands.js";

export function useLeaving() {
    const { run } = useCommands();
    const { t } = useI18n();
    const { written } = useIdentity();

    /** `check_out` is about one appointment, `check_out_patient` about all of today that are open. */
    return async (name: "check_out" | "check_out_patient", of: Subject): Promise<void> => {
        const choice = await ask({
            title: t("question.left", { patient: written(of) }),
            text: t(name === "check_out" ? "question.leftWhat" : "question.leftAllWhat"),
            choices: [{ value: "left", label: t("board.checkOut") }],
        });
        if (choice === "left") await run(name, of);
    };
}
