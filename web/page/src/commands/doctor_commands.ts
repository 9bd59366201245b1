/** The commands about a doctor and not about a patient: call the next patient, today's room, and another doctor for the whole day. */

import { ref } from "vue";
import type { Who } from "../api/client.js";

export type DoctorCommand = "call_next" | "set_room" | "reassign_all";

/** What the role may do for this doctor, in the order of the screen. */
export function doctorMenuOf(
    doctorId: number,
    { role, doctor_id }: Pick<Who, "role" | "doctor_id">,
): readonly DoctorCommand[] {
    const isOwn = doctor_id === doctorId;
    const commands: (DoctorCommand | false)[] = [
        (isOwn || role === "reception") && "call_next",
        (isOwn || role === "supervisor") && "set_room",
        (role === "reception" || role === "supervisor") && "reassign_all",
    ];
    return commands.filter(command => command !== false);
}

export interface OpenDoctorDialog {
    readonly command: "set_room" | "reassign_all";
    readonly doctor_id: number;
    readonly doctor_name: string;
}

/** The command whose dialog is open. App shows the dialog. */
export const openDoctorDialog = ref<OpenDoctorDialog>();
