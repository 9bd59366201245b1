/** Calls the next patient of a doctor's list, and says who was passed over. */

import { useQueryClient } from "@tanstack/vue-query";
import { ref } from "vue";
import { useI18n } from "vue-i18n";
import { askUntilDecided } from "../api/asking.js";
import { answered, api, ProblemError } from "../api/client.js";
import { timeOfDay } from "../clock.js";
import { isolated, useIdentity } from "../identity.js";
import { useNotices } from "../notices.js";
import { BOARD, WORKLIST } from "../queries.js";
import { useWho } from "../session.js";

const isCalling = ref(false);

export function useCallNext() {
    const queries = useQueryClient();
    const notices = useNotices();
    const who = useWho();
    const { t, locale } = useI18n();
    const { written } = useIdentity();

    async function callNext(doctor_id: number): Promise<void> {
        if (isCalling.value) return;
        isCalling.value = true;
        try {
            const called = await askUntilDecided(key => {
                const params = { path: { doctor_id }, header: { "Idempotency-Key": key } };
                return answered(api.POST("/api/doctors/{doctor_id}/call-next", { params }));
            });
            const where = [called.ticket, called.room && t("call.room", { room: isolated(called.room) })];
            const passed = called.skipped.length > 0 ? t("call.passed", called.skipped.length) : null;
            notices.done(
                t("call.called", { patient: written(called) }),
                [...where, passed].filter(part => part !== null && part !== undefined).join(" · "),
            );
        } catch (error) {
            if (!(error instanceof ProblemError)) throw error;
            if (error.code !== "nobody_to_call") notices.failed(error, "");
            else {
                const next = error.problem?.next_at;
                const at = next
                    ? t("call.nextAt", { at: timeOfDay(String(next), who.value.timezone, locale.value) })
                    : undefined;
                notices.warn(t("call.no_patient"), at);
            }
        } finally {
            await Promise.all([WORKLIST, BOARD].map(first => queries.invalidateQueries({ queryKey: [first] })));
            isCalling.value = false;
        }
    }

    return { callNext, isCalling };
}
