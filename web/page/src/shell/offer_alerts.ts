/** A sound and a notification of the browser for a new offer. Both are off until the doctor switches them on. */

import { computed, type Ref, ref, watch } from "vue";
import { useI18n } from "vue-i18n";
import { kept } from "../kept.js";
import type { Offer } from "../offers.js";
import { useChime } from "../wall/chime.js";
import { useOneTab } from "./one_tab.js";

const CHOICES = { sound: "offer_sound", notification: "offer_notification" } as const;
export type Alert = keyof typeof CHOICES;
export const ALERTS: readonly Alert[] = ["sound", "notification"];

const isKept = (alert: Alert): boolean => kept.get(CHOICES[alert]) === "on";

export const alerts = ref<Readonly<Record<Alert, boolean>>>({
    sound: isKept("sound"),
    notification: isKept("notification"),
});

/** The tag makes the notifications of all tabs one. */
const TAG = { tag: "visit-offer" } as const;

/** Switches an alert. `title` is the text of a notification. Returns false when this page can show none in this browser. */
export async function switchAlert(alert: Alert, isOn: boolean, title: string): Promise<boolean> {
    const isPossible = !isOn || alert === "sound" || ((await mayNotify()) && canNotify(title));
    choose(alert, isOn && isPossible);
    return isPossible;
}

function choose(alert: Alert, isOn: boolean): void {
    alerts.value = { ...alerts.value, [alert]: isOn };
    kept.set(CHOICES[alert], isOn ? "on" : "off");
}

/** Browsers have no notifications on pages without HTTPS, except on the machine itself. */
async function mayNotify(): Promise<boolean> {
    return "Notification" in window && (await Notification.requestPermission()) === "granted";
}

/** Chrome on Android grants the permission, and then refuses to make a notification outside of a service worker. */
function canNotify(title: string): boolean {
    try {
        new Notification(title, { ...TAG, silent: true }).close();
        return true;
    } catch {
        return false;
    }
}

function notify(title: string): void {
    try {
        new Notification(title, TAG);
    } catch {
        choose("notification", false);
    }
}

/** Alerts the doctor to each new offer, once. */
export function useOfferAlerts(offers: Ref<readonly Offer[]>): void {
    const { t } = useI18n();
    const chime = useChime("offer_sound");
    // Without a press since it was loaded, a tab is silent, so it must not be the one that rings.
    const canRing = computed(() => alerts.value.sound && chime.sound.value === "on");
    const rings = useOneTab("visit-offer-sound", canRing, navigator.locks);
    watch(
        () => alerts.value.sound,
        isOn => (isOn ? chime.switchOn() : chime.switchOff()),
    );
    watch(offers, (after, before) => {
        const known = new Set(before.map(offer => offer.patient_id));
        if (after.every(offer => known.has(offer.patient_id))) return;
        if (rings.value) chime.play();
        // Everyone near the screen can read a notification, so it has no name.
        if (alerts.value.notification && "Notification" in window && Notification.permission === "granted")
            notify(t("offer.alert"));
    });
}
