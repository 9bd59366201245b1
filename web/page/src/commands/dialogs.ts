/** The commands that need a choice, and the one whose dialog is open. App shows the dialog. */

import { ref } from "vue";
import type { Subject } from "./calls.js";

export type DialogCommand = "send" | "transfer" | "reassign" | "set_priority" | "cancel" | "release";

/** The fields of each dialog, in the order of the screen. */
export const FIELDS: Readonly<
    Record<DialogCommand, readonly ("prestation" | "doctor" | "priority" | "cancel_reason" | "reason")[]>
> = {
    send: ["prestation", "doctor"],
    transfer: ["doctor"],
    reassign: ["doctor"],
    set_priority: ["priority"],
    cancel: ["cancel_reason"],
    release: ["reason"],
};

export interface OpenDialog {
    readonly command: DialogCommand;
    readonly of: Subject & { readonly doctor_name?: string; readonly priority?: number | null };
}

export const openDialog = ref<OpenDialog>();

export function opensDialog(command: string): command is DialogCommand {
    return command in FIELDS;
}
