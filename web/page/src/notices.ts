/** Everything that pops up and goes again: one notice for one refusal, said politely; it must not know who asked. */

import { useI18n } from "vue-i18n";
import { toast } from "vue-sonner";
import { isUnknown } from "./api/asking.js";
import type { ProblemError } from "./api/client.js";

/** How long a warning stays, in milliseconds. */
export const WARNING_FOR = 5_000;
/** How many refusals are remembered, so that the event of one is not told after its answer was. */
const REMEMBERED = 200;

const told = new Set<string>();

/** Whether this refusal is told for the first time, by its answer or by its event. */
export function isFirstTime(requestId: string): boolean {
    if (told.has(requestId)) return false;
    told.add(requestId);
    const [oldest] = told;
    if (told.size > REMEMBERED && oldest !== undefined) told.delete(oldest);
    return true;
}

export function useNotices() {
    const { t, te } = useI18n();

    function warn(title: string, description?: string): void {
        toast.warning(title, { duration: WARNING_FOR, ...(description === undefined ? {} : { description }) });
    }

    return {
        warn,
        done: (title: string): void => void toast.success(title, { duration: WARNING_FOR }),
        /** With the doctor who has the patient and for what, in the page's own language. */
        blocked(patient: string, doctor: string, prestation: string, requestId: string): void {
            if (isFirstTime(requestId)) warn(t("refused.busy", { patient }), t("refused.with", { doctor, prestation }));
        },
        /** A press that was not carried out, or not surely. */
        failed(error: ProblemError, patient: string): void {
            const { problem, code } = error;
            // Signing in again is all there is to do, and the page goes there by itself.
            if (error.status === 401) return;
            if (isUnknown(error)) {
                warn(t("problem.undecided"));
                return;
            }
            if (problem?.request_id && !isFirstTime(problem.request_id)) return;
            if (code === "patient_in_consultation" && problem?.active_doctor) {
                const { active_doctor: doctor, prestation } = problem;
                warn(t("refused.busy", { patient }), t("refused.with", { doctor, prestation: prestation ?? "" }));
            } else if (code === "patient_reserved" && problem?.reserved_for) {
                warn(t("refused.reserved", { patient }), t("refused.reservedFor", { doctor: problem.reserved_for }));
            } else if (code === "appointment_in_progress" && problem?.active_doctor) {
                warn(t("refused.taken", { patient }), t("refused.takenBy", { doctor: problem.active_doctor }));
            } else {
                warn(te(`problem.${code}`) ? t(`problem.${code}`) : t("problem.other"), patient);
            }
        },
    };
}
