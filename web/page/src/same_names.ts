/** Finds the patients on the screen who have the same name. */

import { computed, onScopeDispose, type Ref, shallowReactive } from "vue";
import { folded } from "./folding.js";

export interface Named {
    readonly patient_id?: number | undefined;
    readonly patient_name: string;
}

export type IdsByName = ReadonlyMap<string, ReadonlySet<number>>;

/** The ids of the patients of each name. */
export function idsByName(patients: readonly Named[]): IdsByName {
    const ids = new Map<string, Set<number>>();
    for (const { patient_id, patient_name } of patients) {
        if (patient_id === undefined) continue;
        const name = folded(patient_name);
        ids.set(name, (ids.get(name) ?? new Set()).add(patient_id));
    }
    return ids;
}

/** Whether a patient with another id has this name. A patient without an id can be any of those with the name. */
export function isShared({ patient_id, patient_name }: Named, ids: IdsByName): boolean {
    const others = new Set(ids.get(folded(patient_name)));
    if (patient_id === undefined) return others.size > 1;
    others.delete(patient_id);
    return others.size > 0;
}

function isSame(one: IdsByName, other: IdsByName): boolean {
    if (one.size !== other.size) return false;
    return [...one].every(([name, ids]) => {
        const others = other.get(name);
        return others !== undefined && others.size === ids.size && [...ids].every(id => others.has(id));
    });
}

/** The lists of patients on the screen: of the page, of the search, and of the offers. */
const lists = shallowReactive(new Set<Readonly<Ref<readonly Named[]>>>());
const shownIds = computed((before: IdsByName | undefined) => {
    const ids = idsByName([...lists].flatMap(list => list.value));
    // What is the same draws no row again.
    return before !== undefined && isSame(before, ids) ? before : ids;
});

/** Call it in the setup of a component that shows these patients. */
export function showNames(list: Readonly<Ref<readonly Named[]>>): void {
    lists.add(list);
    onScopeDispose(() => lists.delete(list));
}

/** Whether another patient on the screen has the same name. */
export const hasSameName = (patient: Named): boolean => isShared(patient, shownIds.value);
