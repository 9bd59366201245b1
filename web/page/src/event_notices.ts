/** What the doctor is told of events: refused, free, overdue, released; it must not know how rows are kept true. */

import type { VisitEvent } from "visit-stream";
import type { Ref } from "vue";
import { useI18n } from "vue-i18n";
import type { Who } from "./api/client.js";
import { now } from "./clock.js";
import { useNotices } from "./notices.js";
import { offers, offersAfter } from "./offers.js";

/** How old an event may be to be told, in milliseconds. */
const TOLD_FOR = 60_000;

export function useEventNotices(session: Ref<Who | undefined>) {
    const notices = useNotices();
    const { t } = useI18n();

    return (event: VisitEvent<Record<string, unknown>>): void => {
        const { name, data } = event;
        const patient = String(data.patient_name);
        if (session.value?.doctor_id) offers.value = offersAfter(offers.value, event, now.value);
        // What came while nobody was here is in the rows; a warning of an hour ago helps nobody.
        if (now.value - Date.parse(String(data.timestamp)) > TOLD_FOR) return;
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
            notices.warn(t("event.released", { patient }), t(`outcome.${String(data.outcome)}`));
        }
    };
}
