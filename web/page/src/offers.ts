/** The patients who are free for the signed-in doctor, each until its offer ends. */

import { ref } from "vue";
import type { Appointment } from "./api/client.js";
import { now } from "./clock.js";
import { isOwnCall } from "./worklist/row.js";

/** How long the page shows a free patient who is not reserved, in milliseconds. */
export const SAID_FOR = 30_000;

export interface Offer {
    readonly appointment_id: number;
    readonly patient_id: number;
    readonly patient_name: string;
    readonly family_name?: string | null;
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

/** Whether the patient of the row is reserved for this doctor, who may start or resume the row's appointment. */
function isReserved({ patient, status, paused_at }: Appointment, doctorId: number, at: number): boolean {
    const isOver = status === "done" || status === "canceled";
    const isRunning = status === "in_progress" && paused_at === null;
    if (isOver || isRunning || patient.state !== "reserved") return false;
    return patient.doctor_id === doctorId && patient.until !== null && Date.parse(patient.until) > at;
}

/**
 * All open offers: those of events, and those of the doctor's list, which are there after a reload too.
 * An event knows which appointment is meant, so it comes first. The doctor's own calls are no offers.
 */
export function openOffers(
    heard: readonly Offer[],
    items: readonly Appointment[],
    doctorId: number,
    at: number,
): readonly Offer[] {
    const open = new Map(heard.filter(offer => offer.until > at).map(offer => [offer.patient_id, offer]));
    const reserved = items.filter(item => isReserved(item, doctorId, at) && item.patient.kind !== "called");
    // A patient can have two rows with this doctor. The reservation says for which service it is, and Start must begin that one.
    const isMeant = (item: Appointment): boolean => item.patient.prestation === item.prestation;
    for (const item of [...reserved.filter(isMeant), ...reserved]) {
        if (!open.has(item.patient_id))
            open.set(item.patient_id, { ...item, until: Date.parse(item.patient.until ?? "") });
    }
    return [...open.values()];
}

/** How many patients of the list this doctor has called and still waits for. */
export function countCalls(items: readonly Appointment[], doctorId: number, at: number): number {
    const called = items.filter(item => isOwnCall(item, doctorId, at));
    return new Set(called.map(item => item.patient_id)).size;
}

/** How many offers and calls are open, for the title of the tab. */
export const openCount = ref(0);

/** Removes the offers that are over. */
export function dropOver(): void {
    if (offers.value.some(one => one.until <= now.value))
        offers.value = offers.value.filter(one => one.until > now.value);
}
