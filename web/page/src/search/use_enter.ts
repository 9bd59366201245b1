/** What Enter in the search field does. The answer may come later than Enter, as after a scan. */

import { onScopeDispose, type Ref, ref, watch } from "vue";
import { useI18n } from "vue-i18n";
import { ProblemError } from "../api/client.js";
import { isolated } from "../identity.js";
import { useNotices } from "../notices.js";
import { type Answer, enterOf, type Match } from "./matches.js";
import type { useSearch } from "./use_search.js";

type Search = Pick<ReturnType<typeof useSearch>, "text" | "answer" | "isSeen" | "readAnswer">;

interface Acts {
    readonly act: (match: Match) => Promise<void>;
    readonly newWalkIn: () => unknown;
}

/** `marked` is the result that Enter means. */
export function useEnter({ text, answer, isSeen, readAnswer }: Search, marked: Ref<number>, acts: Acts) {
    const { t } = useI18n();
    const notices = useNotices();
    const isWaiting = ref(false);
    /** The text for which several patients are possible after Enter. */
    const unclear = ref("");
    /** The text whose answer was acted on. */
    let actedOn = "";
    /** Rises when the user gives up what the Enters before were for. Their answers no longer act. */
    let givenUp = 0;
    /** Scans are acted on one after the other, so that the last ticket on the screen is the last scan's. */
    let lastScan = Promise.resolve();

    watch(text, () => (unclear.value = ""));
    onScopeDispose(giveUp);

    async function follow(answered: Answer, isEarly: boolean): Promise<void> {
        const meaning = enterOf(answered, marked.value, isEarly);
        actedOn = answered.text;
        if (typeof meaning === "object") {
            await acts.act(meaning);
            actedOn = "";
        } else if (meaning === "new_walk_in") acts.newWalkIn();
        // The field has another text by now, so the results of this one are not on the screen.
        else if (answered.text !== text.value) notices.warn(t("search.notClear", { text: isolated(answered.text) }));
        else if (meaning === "choose") unclear.value = answered.text;
    }

    async function followScan(scanned: string, isGivenUp: () => boolean): Promise<void> {
        if (isGivenUp()) return;
        isWaiting.value = true;
        try {
            const answered = await readAnswer(scanned);
            if (!isGivenUp()) await follow(answered, true);
        } catch (failure) {
            if (isGivenUp()) return;
            if (!(failure instanceof ProblemError)) throw failure;
            // The failure of the typed text is in the place of the results.
            if (scanned !== text.value) notices.warn(t("search.notAnswered", { text: isolated(scanned) }));
        } finally {
            if (!isGivenUp()) isWaiting.value = false;
        }
    }

    /** Acts for the typed text. `scan`: its answer is not on the screen yet, and Enter acts when it comes. */
    function enter(): "seen" | "scan" | "nothing" {
        const scanned = text.value;
        if (scanned === "") return "nothing";
        if (isSeen() && answer.value !== undefined) {
            void follow(answer.value, false);
            return "seen";
        }
        const before = givenUp;
        lastScan = lastScan.then(() => followScan(scanned, () => before !== givenUp));
        return "scan";
    }

    function giveUp(): void {
        givenUp++;
        isWaiting.value = false;
        // A new scan does not wait for one that no longer acts.
        lastScan = Promise.resolve();
    }

    return {
        enter,
        giveUp,
        isWaiting,
        unclear,
        /** Whether the field still has the text that is acted on. */
        isOfText: (): boolean => actedOn === "" || text.value === actedOn,
    };
}
