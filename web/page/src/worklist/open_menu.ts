/** The appointment whose menu is open. The menu hangs on its row, so no row may move or go until it is closed. */

import { ref } from "vue";

export const openMenuOf = ref<number>();
