/** Opens a walk-in: an appointment for now, checked in, for a known patient or a new one. */

import { useQueryClient } from "@tanstack/vue-query";
import { ref } from "vue";
import { askUntilDecided } from "../api/asking.js";
import { answered, api, ProblemError, type WalkIn } from "../api/client.js";
import { newKey } from "../api/keys.js";
import type { Identity } from "../identity.js";
import { useNotices } from "../notices.js";
import { BOARD, VISIT, WORKLIST } from "../queries.js";
import type { TypedPerson } from "../search/text.js";

/** For whom: a patient of the hospital, or a new one with the names as typed. */
export type Visitor = (Identity & { readonly patient_id: number }) | { readonly typed: TypedPerson };

/** The visitor of the open dialog. App shows the dialog. */
export const openWalkIn = ref<Visitor>();

export interface WalkInBody {
    readonly patient_id?: number;
    readonly patient?: { readonly first_name?: string; readonly last_name?: string; readonly birth_date?: string };
    readonly doctor_id: number;
    readonly prestation_id: number;
}

/** The key of a body. While the outcome is unknown, a second press with the same body must not open a second appointment. */
export class KeyOfBody {
    private body = "";
    private key = "";

    of(body: WalkInBody): string {
        const written = JSON.stringify(body);
        if (written !== this.body) {
            this.body = written;
            this.key = newKey();
        }
        return this.key;
    }
}

export function useWalkIn() {
    const queries = useQueryClient();
    const notices = useNotices();
    const isSending = ref(false);
    let keys = new KeyOfBody();

    /** The new appointment, or undefined when it was refused or its outcome is unknown. */
    async function open(body: WalkInBody, patient: string): Promise<WalkIn | undefined> {
        if (isSending.value) return undefined;
        isSending.value = true;
        const params = { header: { "Idempotency-Key": keys.of(body) } };
        try {
            const walkIn = await askUntilDecided(() => answered(api.POST("/api/walk-ins", { params, body })));
            keys = new KeyOfBody();
            return walkIn as WalkIn;
        } catch (error) {
            if (!(error instanceof ProblemError)) throw error;
            notices.failed(error, patient);
            return undefined;
        } finally {
            isSending.value = false;
            // A read that fails is repeated without end. The ticket must not wait for it.
            void Promise.all([WORKLIST, BOARD, VISIT].map(first => queries.invalidateQueries({ queryKey: [first] })));
        }
    }

    return { open, isSending };
}
