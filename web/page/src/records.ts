/** The doctors and services to choose from. */

import { useQuery } from "@tanstack/vue-query";
import { computed, type Ref } from "vue";
import { answered, api } from "./api/client.js";

/** How many pages of records are read. A hospital has some hundred doctors. */
const PAGES = 20;

export interface Choice {
    readonly id: number;
    readonly name: string;
}

interface Page {
    readonly items: readonly { id: number; name: string; active: boolean }[];
    readonly page_size: number;
    readonly total: number;
}

/** The active records of all pages, by name. */
export async function readActive(read: (page: number) => Promise<Page>): Promise<Choice[]> {
    const choices: Choice[] = [];
    for (let page = 1; page <= PAGES; page++) {
        const { items, page_size, total } = await read(page);
        choices.push(...items.filter(item => item.active));
        if (page * page_size >= total) break;
    }
    return choices.sort((a, b) => a.name.localeCompare(b.name));
}

function useRecords(kind: string, isNeeded: Ref<boolean>, read: (page: number) => Promise<Page>) {
    const { data } = useQuery({ queryKey: [kind], queryFn: () => readActive(read), enabled: isNeeded });
    return computed(() => data.value ?? []);
}

/** The active doctors by name. They are read when they are needed first. */
export const useDoctors = (isNeeded: Ref<boolean>) =>
    useRecords("doctors", isNeeded, page => answered(api.GET("/api/doctors", { params: { query: { page } } })));

/** The active services by name. They are read when they are needed first. */
export const usePrestations = (isNeeded: Ref<boolean>) =>
    useRecords("prestations", isNeeded, page => answered(api.GET("/api/prestations", { params: { query: { page } } })));
