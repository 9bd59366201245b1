/** The appointments that stayed when a doctor's day was given to another one, for the dialog that App shows. */

import { ref } from "vue";

export interface Stayed {
    readonly title: string;
    readonly appointments: readonly {
        readonly appointment_id: number;
        readonly patient_id: number;
        /** The code of the refusal. */
        readonly code: string;
    }[];
}

export const openStayed = ref<Stayed>();
