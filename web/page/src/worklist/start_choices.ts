/** What a doctor may choose when Start is pressed during an own consultation. A pure function. */

import type { Who } from "../api/client.js";

export type StartChoice = "complete" | "both";

/** The choices that the API would carry out. With `refuse` it refuses to start next to a running consultation. */
export function startChoices(doctorBusy: Who["doctor_busy"]): readonly StartChoice[] {
    return doctorBusy === "refuse" ? ["complete"] : ["complete", "both"];
}
