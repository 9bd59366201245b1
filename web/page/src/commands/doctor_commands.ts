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

/** What the role may do for a doctor who is chosen in the dialog, as before the doctor's first patient has come. */
export function anyDoctorMenuOf(role: Who["role"]): readonly OpenDoctorDialog["command"][] {
    const commands = doctorMenuOf(0, { role, doctor_id: null });
    return commands.filter(command => command !== "call_next");
}

export interface OpenDoctorDialog {
    readonly command: "set_room" | "reassign_all";
    /** Without it, the dialog asks for the doctor. */
    readonly doctor?: { readonly id: number; readonly name: string };
}

/** The command whose dialog is open. App shows the dialog. */
export const openDoctorDialog = ref<OpenDoctorDialog>();
