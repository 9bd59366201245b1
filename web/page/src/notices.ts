/** The notices that appear for a few seconds. Each refusal causes one notice, for any button of the page. */

import { useI18n } from "vue-i18n";
import { toast } from "vue-sonner";
import { isUnknown } from "./api/asking.js";
import type { ProblemError, StartWarning } from "./api/client.js";
import { useIdentity } from "./identity.js";

/** How long a warning stays, in milliseconds. */
export const WARNING_FOR = 5_000;
/** How long a notice offers to take a command back, in milliseconds. */
export const UNDO_FOR = 10_000;
/** How many refusals are remembered, so that the answer and the event of one refusal cause one notice. */
const REMEMBERED = 200;

const noticed = new Set<string>();

/** Whether this is the first notice of the refusal, for its answer or for its event. */
export function isFirstTime(requestId: string): boolean {
    if (noticed.has(requestId)) return false;
    noticed.add(requestId);
    const [oldest] = noticed;
    if (noticed.size > REMEMBERED && oldest !== undefined) noticed.delete(oldest);
    return true;
}

export function useNotices() {
    const { t, te } = useI18n();
    const { written } = useIdentity();

    function warn(title: string, description?: string): void {
        toast.warning(title, { duration: WARNING_FOR, ...(description === undefined ? {} : { description }) });
    }

    return {
        warn,
        done: (title: string, description = ""): void =>
            void toast.success(title, { duration: WARNING_FOR, ...(description === "" ? {} : { description }) }),
        /** A command that `undo` takes back. */
        undoable: (title: string, undo: () => void): void =>
            void toast.success(title, { duration: UNDO_FOR, action: { label: t("undo"), onClick: undo } }),
        /** A granted start whose doctor still has other patients. */
        started(warnings: readonly StartWarning[]): void {
            for (const warning of warnings) warn(t("refused.doctorBusy", { patient: written(warning) }));
        },
        /** A refused start, with the doctor who has the patient and the prestation, in the page's language. */
        blocked(patient: string, doctor: string, prestation: string, requestId: string): void {
            if (isFirstTime(requestId)) warn(t("refused.busy", { patient }), t("refused.with", { doctor, prestation }));
        },
        /** A command that failed, or with an unknown outcome. */
        failed(error: ProblemError, patient: string): void {
            const { problem, code } = error;
            // The user has to sign in again. The page goes to the sign-in page by itself.
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
            } else if (code === "doctor_in_consultation" && problem?.patient_name) {
                const { patient_name, family_name, birth_date, record_number } = problem;
                warn(
                    t("refused.doctorBusy", {
                        patient: written({ patient_name, family_name, birth_date, record_number }),
                    }),
                );
            } else {
                warn(te(`problem.${code}`) ? t(`problem.${code}`) : t("problem.other"), patient);
            }
        },
    };
}
