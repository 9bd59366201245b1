/** Shows a doctor's events as offers and notices: refused, free, overdue, ended. `live.ts` updates the rows. */

import type { VisitEvent } from "visit-stream";
import type { Ref } from "vue";
import { useI18n } from "vue-i18n";
import type { Who } from "./api/client.js";
import { now } from "./clock.js";
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
    /** The consultations that a supervisor has just transferred, with the supervisor's name. The event about the receiver comes next. */
    const transferredBy = new Map<unknown, unknown>();
    const by = (name: unknown): string =>
        typeof name === "string" ? t("event.by", { name: isolated(name) }) : t("event.bySupervisor");

    function ended(data: Readonly<Record<string, unknown>>, patient: string): void {
        const { outcome, by_name, reason } = data;
        if (outcome === "transferred") transferredBy.set(data.consultation_id, by_name);
        else if (outcome === "mistaken") notices.warn(t("event.startUndone", { patient }), by(by_name));
        else {
            const why = [t(`outcome.${String(outcome)}`), by_name, reason];
            notices.warn(t("event.released", { patient }), why.filter(part => typeof part === "string").join(" · "));
        }
    }

    return (event: VisitEvent<Record<string, unknown>>): void => {
        const { name, data } = event;
        const own = session.value?.doctor_id;
        if (own) {
            offers.value = offersAfter(offers.value, event, now.value);
            endedWaits.value = endedWaitsAfter(endedWaits.value, event, own);
        }
        // The rows show the result of older events. A warning from an hour ago does not help.
        if (now.value - Date.parse(String(data.timestamp)) > NOTICE_MAX_AGE) return;
        // An event about a doctor or a service has no patient.
        if (data.patient_name === undefined) return;
        const patient = written(data as unknown as Identity);
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
            ended(data, patient);
        } else if (name === "consultation.transferred" && transferredBy.has(data.consultation_id)) {
            const doctor = isolated(String(data.to_doctor_name));
            notices.warn(t("event.transferred", { patient, doctor }), by(transferredBy.get(data.consultation_id)));
            transferredBy.delete(data.consultation_id);
        }
    };
}
