/** Finds the patients of one screen who have the same name. */

import type { Appointment } from "../api/client.js";

/** The ids of all patients whose name another patient of the list has too. */
export function sameNames(items: readonly Pick<Appointment, "patient_id" | "patient_name">[]): ReadonlySet<number> {
    const idsByName = new Map<string, Set<number>>();
    for (const { patient_id, patient_name } of items) {
        const name = patient_name.normalize("NFC").toLocaleLowerCase();
        idsByName.set(name, (idsByName.get(name) ?? new Set()).add(patient_id));
    }
    return new Set([...idsByName.values()].filter(ids => ids.size > 1).flatMap(ids => [...ids]));
}
