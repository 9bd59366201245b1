/** The patients who are free for the signed-in doctor, each until its offer ends. */

import { ref } from "vue";
import { now } from "./clock.js";

/** How long the page shows a free patient who is not reserved, in milliseconds. */
export const SAID_FOR = 30_000;

export interface Offer {
    readonly appointment_id: number;
    readonly patient_id: number;
    readonly patient_name: string;
    readonly birth_date?: string | null;
    readonly record_number?: string | null;
    readonly doctor_id: number;
    /** Milliseconds since 1970. */
    readonly until: number;
}

export const offers = ref<readonly Offer[]>([]);

interface Heard {
    readonly name: string;
    readonly data: Readonly<Record<string, unknown>>;
}

/**
 * The offers after an event. A new offer replaces an older one for the patient.
 * An offer ends when a consultation takes the patient, also one that goes on, or when the doctor leaves the line.
 */
export function offersAfter(before: readonly Offer[], { name, data }: Heard, at: number): readonly Offer[] {
    const others = before.filter(one => one.patient_id !== data.patient_id);
    if (name === "consultation.available") {
        const until = typeof data.offer_until === "string" ? Date.parse(data.offer_until) : at + SAID_FOR;
        return until > at ? [...others, { ...(data as unknown as Offer), until }] : others;
    }
    const mine = before.find(one => one.patient_id === data.patient_id);
    // An X-ray at the same time does not take the patient from the doctor who waited.
    const takes = ["consultation.started", "consultation.resumed", "consultation.reopened"].includes(name);
    if (takes && (data.exclusive !== false || data.doctor_id === mine?.doctor_id)) return others;
    const passedOn = name === "patient.updated" && data.why !== undefined && data.doctor_id === mine?.doctor_id;
    return passedOn ? others : before;
}

/** Removes the offers that are over. */
export function dropOver(): void {
    if (offers.value.some(one => one.until <= now.value))
        offers.value = offers.value.filter(one => one.until > now.value);
}
