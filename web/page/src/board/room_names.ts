/** How a room is written: `4` as "Room 4", and a room that has a name as it is. */

import { useI18n } from "vue-i18n";

/** Whether a room has a number, as `4` or `2B`. */
export function isNumbered(room: string): boolean {
    return /^\d/.test(room);
}

export function useRoomNames() {
    const { t } = useI18n();
    return { roomName: (room: string): string => (isNumbered(room) ? t("lane.room", { room }) : room) };
}
