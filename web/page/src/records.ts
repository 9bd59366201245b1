/** The doctors and services of the hospital: whole lists for an administrator, and the active ones to choose from. */

import { useQuery } from "@tanstack/vue-query";
import { computed, type Ref } from "vue";
import { answered, api, type Doctor, type Service } from "./api/client.js";

export const DOCTORS = "doctors";
export const SERVICES = "services";

export interface Choice {
    readonly id: number;
    readonly name: string;
}

interface Page<Item> {
    readonly items: readonly Item[];
    readonly total: number;
}

/** The items of all pages. */
export async function readAll<Item>(readPage: (page: number) => Promise<Page<Item>>): Promise<readonly Item[]> {
    const items: Item[] = [];
    for (let page = 1; ; page++) {
        const { items: more, total } = await readPage(page);
        items.push(...more);
        // A page may be empty, because an administrator may remove items at this moment.
        if (more.length === 0 || items.length >= total) return items;
    }
}

/** The query of every doctor. */
export const everyDoctor = {
    queryKey: [DOCTORS],
    queryFn: ({ signal }: { signal: AbortSignal }): Promise<readonly Doctor[]> =>
        readAll(page => answered(api.GET("/api/doctors", { params: { query: { page } }, signal }))),
};

/** The query of every service. */
export const everyService = {
    queryKey: [SERVICES],
    queryFn: ({ signal }: { signal: AbortSignal }): Promise<readonly Service[]> =>
        readAll(page => answered(api.GET("/api/prestations", { params: { query: { page } }, signal }))),
};

/** The active records by name. */
export function choicesOf(records: readonly (Choice & { readonly active: boolean })[]): readonly Choice[] {
    return records.filter(record => record.active).sort((a, b) => a.name.localeCompare(b.name));
}

/** The active doctors by name. They are read when they are needed first. */
export function useDoctors(isNeeded: Ref<boolean>) {
    const { data } = useQuery({ ...everyDoctor, enabled: isNeeded });
    return computed(() => choicesOf(data.value ?? []));
}

/** The active services by name. They are read when they are needed first. */
export function useActiveServices(isNeeded: Ref<boolean>) {
    const { data } = useQuery({ ...everyService, enabled: isNeeded });
    return computed(() => choicesOf(data.value ?? []));
}
