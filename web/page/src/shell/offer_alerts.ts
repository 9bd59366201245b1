/** A sound and a notification of the browser for a new offer. Both are off until the doctor switches them on. */

import { type Ref, ref, watch } from "vue";
import { useI18n } from "vue-i18n";
import { kept } from "../kept.js";
import type { Offer } from "../offers.js";
import { useChime } from "../wall/chime.js";

const CHOICES = { sound: "offer_sound", notification: "offer_notification" } as const;
export type Alert = keyof typeof CHOICES;
export const ALERTS: readonly Alert[] = ["sound", "notification"];

const isKept = (alert: Alert): boolean => kept.get(CHOICES[alert]) === "on";

export const alerts = ref<Readonly<Record<Alert, boolean>>>({
    sound: isKept("sound"),
    notification: isKept("notification"),
});

/** Switches an alert. Returns false when the browser allows this page no notifications. */
export async function switchAlert(alert: Alert, isOn: boolean): Promise<boolean> {
    const isAllowed = !isOn || alert === "sound" || (await mayNotify());
    alerts.value = { ...alerts.value, [alert]: isOn && isAllowed };
    kept.set(CHOICES[alert], isOn && isAllowed ? "on" : "off");
    return isAllowed;
}

/** Browsers have no notifications on pages without HTTPS, except on the machine itself. */
async function mayNotify(): Promise<boolean> {
    return "Notification" in window && (await Notification.requestPermission()) === "granted";
}

/** Alerts the doctor to each new offer, once. */
export function useOfferAlerts(offers: Ref<readonly Offer[]>): void {
    const { t } = useI18n();
    const chime = useChime("offer_sound");
    watch(
        () => alerts.value.sound,
        isOn => (isOn ? chime.switchOn() : chime.switchOff()),
    );
    watch(offers, (after, before) => {
        const known = new Set(before.map(offer => offer.patient_id));
        if (after.every(offer => known.has(offer.patient_id))) return;
        if (alerts.value.sound) chime.play();
        // Everyone near the screen can read a notification, so it has no name. The tag makes it one for all tabs.
        if (alerts.value.notification && "Notification" in window && Notification.permission === "granted")
            new Notification(t("offer.alert"), { tag: "visit-offer" });
    });
}
