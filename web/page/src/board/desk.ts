/** The commands of the reception: check in, check out, release. Every list of the board uses them. */

import { useQueryClient } from "@tanstack/vue-query";
import { reactive } from "vue";
import { useI18n } from "vue-i18n";
import { askUntilDecided } from "../api/asking.js";
import { answered, api, ProblemError } from "../api/client.js";
import { useNotices } from "../notices.js";
import { BOARD, VISIT, WORKLIST } from "../queries.js";

/** The ids of appointments and consultations with a button press that has no answer yet. */
const pressed = reactive(new Set<number | string>());

export function useDesk() {
    const queries = useQueryClient();
    const notices = useNotices();
    const { t } = useI18n();

    /** Returns whether the API carried out the command. */
    async function press(
        id: number | string,
        patient: string,
        done: string,
        call: (key: string) => Promise<unknown>,
    ): Promise<boolean> {
        if (pressed.has(id)) return false;
        pressed.add(id);
        try {
            await askUntilDecided(call);
            notices.done(t(done, { patient }));
            return true;
        } catch (error) {
            if (!(error instanceof ProblemError)) throw error;
            notices.failed(error, patient);
            return false;
        } finally {
            await Promise.all([WORKLIST, BOARD, VISIT].map(first => queries.invalidateQueries({ queryKey: [first] })));
            pressed.delete(id);
        }
    }

    const of = (appointment_id: number, key: string) => ({
        params: { path: { appointment_id }, header: { "Idempotency-Key": key } },
    });

    return {
        pressed: pressed as ReadonlySet<number | string>,
        checkIn: (id: number, patient: string) =>
            press(id, patient, "desk.checkedIn", key =>
                answered(api.POST("/api/appointments/{appointment_id}/check-in", of(id, key))),
            ),
        checkOut: (id: number, patient: string) =>
            press(id, patient, "desk.checkedOut", key =>
                answered(api.POST("/api/appointments/{appointment_id}/check-out", of(id, key))),
            ),
        release: (consultation_id: string, patient: string, reason: string) =>
            press(consultation_id, patient, "desk.released", key => {
                const params = { path: { consultation_id }, header: { "Idempotency-Key": key } };
                return answered(api.POST("/api/consultations/{consultation_id}/release", { params, body: { reason } }));
            }),
    };
}
