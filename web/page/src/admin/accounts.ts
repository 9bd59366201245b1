/** What an administrator changes of an account, and which records a search text matches. */

import type { Account, ChangeAccount, Role } from "../api/client.js";

/** The roles of people and programs. A screen in the waiting room has its own list. */
export const STAFF_ROLES = ["doctor", "reception", "supervisor", "admin", "service"] as const satisfies readonly Role[];

/** The fields of the dialog. */
export interface AccountFields {
    username: string;
    name: string;
    role: Role;
    doctor_id: number | null;
    password: string;
}

export function fieldsOf(account: Account | undefined, role: Role): AccountFields {
    return {
        username: account?.username ?? "",
        name: account?.name ?? "",
        role: account?.role ?? role,
        doctor_id: account?.doctor_id ?? null,
        password: "",
    };
}

/** The changed fields. Only an account with the role doctor has a doctor. */
export function accountChange(before: Account, { name, role, doctor_id }: AccountFields): ChangeAccount {
    const doctor = role === "doctor" ? doctor_id : null;
    return {
        ...(name.trim() === before.name ? {} : { name: name.trim() }),
        ...(role === before.role ? {} : { role }),
        ...(doctor === before.doctor_id || doctor === null ? {} : { doctor_id: doctor }),
    };
}

/** Letters without accents, in lower case. */
function folded(text: string): string {
    return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
}

/** Whether each typed word is somewhere in the texts. */
export function matchesText(typed: string, ...texts: readonly (string | null)[]): boolean {
    const text = folded(texts.filter(part => part !== null).join(" "));
    return folded(typed)
        .split(/\s+/)
        .every(word => text.includes(word));
}
