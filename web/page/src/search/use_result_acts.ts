/** What a press on a result of the search does, and which patient has arrived by it. */

import { useI18n } from "vue-i18n";
import { useRouter } from "vue-router";
import type { Appointment } from "../api/client.js";
import { useCommands } from "../commands/use_commands.js";
import { openWalkIn } from "../desk/walk_in.js";
import { useIdentity } from "../identity.js";
import { useNotices } from "../notices.js";
import { useWho } from "../session.js";
import { usePresses } from "../worklist/presses.js";
import type { Action } from "../worklist/row.js";
import { useRunning } from "../worklist/running.js";
import { firstActOf, type Match } from "./matches.js";
import { typedPerson } from "./text.js";

export function useResultActs(onDone: (arrived?: number) => void) {
    const who = useWho();
    const router = useRouter();
    const notices = useNotices();
    const { t } = useI18n();
    const { written } = useIdentity();
    const { run, pendingOf } = useCommands();
    // Only a doctor has an own consultation. For other staff this would read the whole day.
    const doctorsPresses = who.value.doctor_id === null ? undefined : usePresses(useRunning());

    async function checkIn(match: Match): Promise<void> {
        const [item] = match.appointments;
        if (item !== undefined && (await run("check_in_patient", item))) onDone(match.patient_id);
    }

    function walkIn(match: Match): void {
        openWalkIn.value = match;
        onDone();
    }

    function newWalkIn(typed: string): void {
        openWalkIn.value = { typed: typedPerson(typed) };
        onDone();
    }

    /** What Enter does with this patient. */
    async function act(match: Match, isDesk: boolean): Promise<void> {
        const first = isDesk ? firstActOf(match) : "visit";
        if (first === "check_in") await checkIn(match);
        else if (first === "walk_in") walkIn(match);
        else if (first === "arrived") {
            const ticket = match.appointments.find(item => item.ticket !== null)?.ticket ?? "";
            notices.done(t("search.isHere", { patient: written(match) }), ticket);
        } else {
            void router.push({ name: "visit", params: { patient: match.patient_id } });
            onDone();
        }
    }

    function press(action: Action, item: Appointment): void {
        void (doctorsPresses === undefined ? run(action, item) : doctorsPresses.press(action, item));
    }

    return { who, act, checkIn, walkIn, newWalkIn, press, pendingOf };
}
