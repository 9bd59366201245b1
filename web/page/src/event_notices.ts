/** Shows a doctor's events as offers and notices: refused, free, overdue, ended. `live.ts` updates the rows. */

import type { VisitEvent } from "visit-stream";
import type { Ref } from "vue";
import { useI18n } from "vue-i18n";
import type { Who } from "./api/client.js";
import { now } from "./clock.js";
import { isOwnEnd } from "./commands/own_ends.js";
import { endedWaits, endedWaitsAfter } from "./ended_waits.js";
import { type Identity, isolated, useIdentity } from "./identity.js";
import { useNotices } from "./notices.js";
import { offers, offersAfter } from "./offers.js";

/** The maximum age of an event that is shown as a notice, in milliseconds. */
const NOTICE_MAX_AGE = 60_000;

export function useEventNotices(session: Ref<Who | undefined>) {
    const notices = useNotices();
    const { t } = useI18n();
    const { written } = useIdentity();

    return (event: VisitEvent<Record<string, unknown>>): void => {
        const { name, data } = event;
        const patient = written(data as unknown as Identity);
        const own = session.value?.doctor_id;
        if (own) {
            offers.value = offersAfter(offers.value, event, now.value);
            endedWaits.value = endedWaitsAfter(endedWaits.value, event, own);
        }
        // The rows show the result of older events. A warning from an hour ago does not help.
        if (now.value - Date.parse(String(data.timestamp)) > NOTICE_MAX_AGE) return;
        if (name === "consultation.blocked") {
            notices.blocked(
                patient,
                String(data.active_doctor_name),
                String(data.prestation ?? ""),
                String(data.request_id),
            );
        } else if (name === "consultation.overdue") {
            notices.warn(t("event.overdue", { patient }));
        } else if (name === "consultation.released") {
            const why = [t(`outcome.${String(data.outcome)}`), data.by_name, data.reason];
            notices.warn(t("event.released", { patient }), why.filter(part => typeof part === "string").join(" · "));
        } else if (own && data.doctor_id === own && !isOwnEnd(data.consultation_id)) {
            // Only its doctor and a supervisor may do this. So it was a supervisor, or this doctor elsewhere.
            if (name === "consultation.transferred")
                notices.warn(t("event.transferred", { patient, doctor: isolated(String(data.to_doctor_name)) }));
            else if (name === "consultation.completed" && data.outcome === "mistaken")
                notices.warn(t("event.startUndone", { patient }));
        }
    };
}
