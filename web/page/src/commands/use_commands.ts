/** Sends commands. Shows each result as a notice, with Undo where a command can be taken back, and reads the screens again. */

import { useQueryClient } from "@tanstack/vue-query";
import { reactive, watch } from "vue";
import { useI18n } from "vue-i18n";
import { askUntilDecided } from "../api/asking.js";
import { ProblemError, type StartWarning, type Trackings } from "../api/client.js";
import { useIdentity } from "../identity.js";
import { useNotices } from "../notices.js";
import { BOARD, VISIT, WORKLIST } from "../queries.js";
import { CALLS, type Call, type CommandName, type Details, type Subject, subjectOfUndo, UNDONE_BY } from "./calls.js";
import { openedBy } from "./check_ins.js";

/** `asking`: no answer yet. `unknown`: the last answer did not say whether the command was carried out, so it is sent again. */
export type Pending = "asking" | "unknown";

/** The appointments and patients with a command that has no answer yet. */
const pending = reactive(new Map<string, Pending>());

/** How long a command waits for the screens that it has changed, in milliseconds. Until then its row takes no press. */
const READ_WITHIN = 2_000;

const OF_PATIENT = /_patient$/;

/** What can have only one command at a time: an appointment, or a patient for the commands of a whole patient. */
function placeOf(name: CommandName, of: Subject): string {
    return OF_PATIENT.test(name) ? `patient ${of.patient_id}` : `appointment ${of.appointment_id}`;
}

/** Calls `act` when the place has no command. */
function whenFree(place: string, act: () => unknown): void {
    if (!pending.has(place)) act();
    else watch(() => pending.has(place), act, { once: true });
}

export function useCommands() {
    const queries = useQueryClient();
    const notices = useNotices();
    const { t, te } = useI18n();
    const { written } = useIdentity();

    /** Sends the command until it is decided. Returns whether the API carried it out. */
    async function run(name: CommandName, of: Subject, details: Partial<Details> = {}): Promise<boolean> {
        const place = placeOf(name, of);
        // A double click is one press.
        if (pending.has(place)) return false;
        pending.set(place, "asking");
        try {
            const call: Call = CALLS[name];
            const answer = await askUntilDecided(
                key => call(of, key, details),
                () => pending.set(place, "unknown"),
            );
            const undoes = name === "check_in_patient" ? openedBy(answer as Trackings) : undefined;
            report(name, of, answer, undoes);
            return true;
        } catch (error) {
            if (!(error instanceof ProblemError)) throw error;
            notices.failed(error, written(of));
            return false;
        } finally {
            const reads = [WORKLIST, BOARD, VISIT].map(first => queries.invalidateQueries({ queryKey: [first] }));
            // A read that fails is repeated without end. What waits for this command must not wait for it.
            await Promise.race([Promise.all(reads), new Promise(resolve => setTimeout(resolve, READ_WITHIN))]);
            pending.delete(place);
        }
    }

    /** `undoes`: the appointments that Undo takes back, for a command of several appointments. Without any there is no Undo. */
    function report(name: CommandName, of: Subject, answer: unknown, undoes?: readonly number[]): void {
        const { warnings } = (answer ?? {}) as { warnings?: readonly StartWarning[] };
        notices.started(warnings ?? []);
        const title = te(`done.${name}`) ? t(`done.${name}`, { patient: written(of) }) : undefined;
        const undo = UNDONE_BY[name];
        if (title === undefined) return;
        const details = undoes === undefined ? {} : { appointment_ids: undoes };
        if (undo === undefined || undoes?.length === 0) notices.done(title);
        // The screens may still be read after the command. Then Undo waits, and is not lost.
        else
            notices.undoable(title, () =>
                whenFree(placeOf(name, of), () => run(undo, subjectOfUndo(name, of, answer), details)),
            );
    }

    return {
        run,
        /** The state of the command of this row, card or offer, or undefined when it has none. */
        pendingOf: (of: Pick<Subject, "appointment_id" | "patient_id">): Pending | undefined =>
            pending.get(`appointment ${of.appointment_id}`) ?? pending.get(`patient ${of.patient_id}`),
    };
}
