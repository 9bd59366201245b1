/**
 * Keeps the lines about missed offers over a reload. The API has them only in the day of each patient, one read for each.
 * So this tab's own storage has them, with ids and without names, until the doctor signs out.
 */

import { useQueryClient } from "@tanstack/vue-query";
import { type Ref, watch } from "vue";
import { answered, api, ProblemError, type Who } from "./api/client.js";
import { now } from "./clock.js";
import { type EndedWait, endedWaits } from "./ended_waits.js";

const PLACE = "visit.ended_waits";
/** A browser may open yesterday's tabs again. Then a line about a missed offer helps no one. In milliseconds. */
const STORED_FOR = 12 * 60 * 60_000;

type Stored = Pick<EndedWait, "patient_id" | "reason" | "timestamp">;

export function writeWaits(user: string, waits: readonly EndedWait[], storage: Storage): void {
    const stored = waits.map(({ patient_id, reason, timestamp }): Stored => ({ patient_id, reason, timestamp }));
    storage.setItem(PLACE, JSON.stringify({ user, waits: stored }));
}

/** The stored lines of this user, still without the patients' names. */
export function readWaits(user: string, at: number, storage: Storage): readonly EndedWait[] {
    const { user: owner, waits = [] } = JSON.parse(storage.getItem(PLACE) ?? "{}") as {
        user?: string;
        waits?: readonly Stored[];
    };
    if (owner !== user) return [];
    return waits
        .filter(({ timestamp }) => at - Date.parse(timestamp) < STORED_FOR)
        .map(wait => ({ ...wait, patient_name: "" }));
}

/** Call it in the setup of the component that shows the lines. */
export function useStoredWaits(who: Ref<Who>): void {
    const queries = useQueryClient();

    async function readName({ patient_id }: EndedWait): Promise<void> {
        try {
            const { first_name, last_name, birth_date, record_number } = await queries.fetchQuery({
                queryKey: ["patient", patient_id],
                queryFn: () =>
                    answered(api.GET("/api/patients/{record_id}", { params: { path: { record_id: patient_id } } })),
            });
            const patient_name = [first_name, last_name].filter(Boolean).join(" ");
            const named = { patient_name, family_name: last_name, birth_date, record_number };
            endedWaits.value = endedWaits.value.map(wait =>
                wait.patient_id === patient_id && wait.patient_name === "" ? { ...wait, ...named } : wait,
            );
        } catch (error) {
            // After an outage the next reload shows the line.
            if (!(error instanceof ProblemError && error.status === 404)) return;
            // There is no such patient any more, so there is nothing to say.
            endedWaits.value = endedWaits.value.filter(wait => wait.patient_id !== patient_id);
        }
    }

    try {
        if (endedWaits.value.length === 0) endedWaits.value = readWaits(who.value.user_id, now.value, sessionStorage);
        void Promise.all(endedWaits.value.filter(wait => wait.patient_name === "").map(readName));
        // At once: a sign-out removes the component together with the lines.
        watch(endedWaits, waits => writeWaits(who.value.user_id, waits, sessionStorage), { flush: "sync" });
    } catch {
        // A browser may forbid storage. Then the lines last until the page is closed.
        return;
    }
}
