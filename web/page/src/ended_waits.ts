/** The offers that the doctor missed and the places in line that are gone. Each leaves a line until it is closed or settled. */

import { ref } from "vue";
import type { Identity } from "./identity.js";

/** So many lines are shown, the newest ones. */
const SHOWN = 3;

/**
 * `missed`: two offers were not used. `moved_down`: one was not used. `expired`: a reservation without a place in line was not used.
 * `moved`, `cancelled`, `left`: the doctor waits no longer, because of the appointment or the patient.
 */
const REASONS = ["missed", "moved_down", "expired", "moved", "cancelled", "left"] as const;
export type EndedReason = (typeof REASONS)[number];

export interface EndedWait extends Identity {
    readonly patient_id: number;
    readonly reason: EndedReason;
    /** When it ended, as in the event. */
    readonly timestamp: string;
}

export const endedWaits = ref<readonly EndedWait[]>([]);

interface Heard {
    readonly name: string;
    readonly data: Readonly<Record<string, unknown>>;
}

function reasonOf({ name, data }: Heard): EndedReason | undefined {
    const isOwnLine = name === "patient.updated" && (data.why === "moved_down" || data.why === "expired");
    const reason = name === "waiting.ended" ? data.reason : isOwnLine ? data.why : undefined;
    return REASONS.find(each => each === reason);
}

/** The lines after an event. A new offer or a start of this doctor settles the line of the patient. */
export function endedWaitsAfter(before: readonly EndedWait[], event: Heard, doctorId: number): readonly EndedWait[] {
    const { name, data } = event;
    if (data.doctor_id !== doctorId) return before;
    const others = before.filter(wait => wait.patient_id !== data.patient_id);
    const reason = reasonOf(event);
    if (reason !== undefined) return [...others, { ...(data as unknown as EndedWait), reason }].slice(-SHOWN);
    return ["consultation.available", "consultation.started", "consultation.resumed"].includes(name) ? others : before;
}

export function closeLine(wait: EndedWait): void {
    endedWaits.value = endedWaits.value.filter(each => each !== wait);
}
