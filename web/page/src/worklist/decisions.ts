/** The commands behind a row's buttons. They send the command, show a refusal as a notice, and read the rows again. */

import { useQueryClient } from "@tanstack/vue-query";
import { reactive } from "vue";
import { askUntilDecided } from "../api/asking.js";
import { type Appointment, answered, api, ProblemError, type StartWarning } from "../api/client.js";
import { type Identity, useIdentity } from "../identity.js";
import { useNotices } from "../notices.js";
import { BOARD, VISIT, WORKLIST } from "../queries.js";
import { type Action, EXTEND_BY } from "./row.js";

/** The fields of an appointment that an action needs. A row and an offer both have them. */
export type Concerned = Pick<Appointment, "appointment_id" | "patient_id" | "doctor_id"> &
    Identity & {
        readonly consultation_id: string | null;
    };

const as = (key: string) => ({ header: { "Idempotency-Key": key } });

/** Sends the command. Returns what a granted start warns about. */
async function call(action: Action, item: Concerned, key: string): Promise<readonly StartWarning[]> {
    const { appointment_id, patient_id, doctor_id } = item;
    const appointment = { params: { path: { appointment_id }, ...as(key) } };
    const consultation = { params: { path: { consultation_id: item.consultation_id ?? "" }, ...as(key) } };
    switch (action) {
        case "start":
        case "resume": {
            const body = { appointment_id, patient_id, doctor_id, wait: false };
            const started = await answered(api.POST("/api/consultations", { params: as(key), body }));
            return "warnings" in started ? (started.warnings ?? []) : [];
        }
        case "complete":
            await answered(api.POST("/api/consultations/{consultation_id}/complete", consultation));
            break;
        case "extend":
            await answered(
                api.POST("/api/consultations/{consultation_id}/extend", {
                    ...consultation,
                    body: { minutes: EXTEND_BY },
                }),
            );
            break;
        case "wait":
            await answered(api.POST("/api/appointments/{appointment_id}/wait", appointment));
            break;
        case "leave":
            await answered(api.DELETE("/api/appointments/{appointment_id}/wait", appointment));
    }
    return [];
}

/** The appointments with a button press that has no answer yet, and the state of the request until then. */
const pressed = reactive(new Map<number, "asking" | "unknown">());

export function useDecisions() {
    const queries = useQueryClient();
    const notices = useNotices();
    const { written } = useIdentity();

    async function decide(action: Action, item: Concerned): Promise<void> {
        const id = item.appointment_id;
        // A double click is one press.
        if (pressed.has(id)) return;
        pressed.set(id, "asking");
        try {
            const warnings = await askUntilDecided(
                key => call(action, item, key),
                () => pressed.set(id, "unknown"),
            );
            notices.started(warnings);
        } catch (error) {
            if (!(error instanceof ProblemError)) throw error;
            notices.failed(error, written(item));
        } finally {
            await readAgain();
            pressed.delete(id);
        }
    }

    async function readAgain(): Promise<void> {
        await Promise.all([WORKLIST, BOARD, VISIT].map(first => queries.invalidateQueries({ queryKey: [first] })));
    }

    return { decide, pressed: pressed as ReadonlyMap<number, "asking" | "unknown"> };
}
