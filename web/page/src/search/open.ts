/** Whether the search for a patient is open, for the key, the header and the dialog. */

import { ref } from "vue";

export const isSearchOpen = ref(false);

/** The roles that may read patients. */
export const SEARCHING_ROLES: readonly string[] = ["doctor", "reception", "supervisor", "service"];
