/** What the open menu hangs on: an appointment by its id, or a lane by its name. None of it may move or go until the menu is closed. */

import { ref } from "vue";

export const openMenuOf = ref<number | string>();
