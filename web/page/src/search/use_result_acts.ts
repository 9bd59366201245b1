/** What a press on a result of the search does, and which patient has arrived by it. */

import { useI18n } from "vue-i18n";
import { useRouter } from "vue-router";
import { useLeaving } from "../commands/leaving.js";
import { useCommands } from "../commands/use_commands.js";
import { openWalkIn } from "../desk/walk_in.js";
import { useIdentity } from "../identity.js";
import { useNotices } from "../notices.js";
import { useWho } from "../session.js";
import { useRowPress } from "../worklist/row_press.js";
import { firstActOf, type Match } from "./matches.js";
import { typedPerson } from "./text.js";

export function useResultActs(onDone: (arrived?: Match) => void) {
    const who = useWho();
    const router = useRouter();
    const notices = useNotices();
    const { t } = useI18n();
    const { written } = useIdentity();
    const { run } = useCommands();
    const { press, pendingOf } = useRowPress();
    const leave = useLeaving();

    async function checkIn(match: Match): Promise<void> {
        const [item] = match.appointments;
        if (item !== undefined && (await run("check_in_patient", item))) onDone(match);
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

    function checkOut(match: Match): void {
        const [item] = match.appointments;
        if (item !== undefined) void leave("check_out_patient", item);
    }

    return { who, act, checkIn, checkOut, walkIn, newWalkIn, press, pendingOf };
}
