/** Reads what an administrator manages: accounts, doctors and services. Each list is read whole. */

import { useQuery } from "@tanstack/vue-query";
import { type Account, answered, api, type Doctor, type Service } from "../api/client.js";

export const ACCOUNTS = "accounts";
// The lists of choices have only the active ones, under other keys.
export const DOCTORS = "every_doctor";
export const SERVICES = "every_service";
const ACCOUNTS_PER_PAGE = 500;

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
        // A page may be empty, because another administrator may remove items at this moment.
        if (more.length === 0 || items.length >= total) return items;
    }
}

export function useAccounts() {
    return useQuery<readonly Account[]>({
        queryKey: [ACCOUNTS],
        queryFn: ({ signal }) =>
            readAll(page => {
                const query = { page, page_size: ACCOUNTS_PER_PAGE };
                return answered(api.GET("/api/accounts", { params: { query }, signal }));
            }),
    });
}

export function useDoctors() {
    return useQuery<readonly Doctor[]>({
        queryKey: [DOCTORS],
        queryFn: ({ signal }) =>
            readAll(page => answered(api.GET("/api/doctors", { params: { query: { page } }, signal }))),
    });
}

export function useServices() {
    return useQuery<readonly Service[]>({
        queryKey: [SERVICES],
        queryFn: ({ signal }) =>
            readAll(page => answered(api.GET("/api/prestations", { params: { query: { page } }, signal }))),
    });
}
