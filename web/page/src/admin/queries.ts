/** Reads what an administrator manages: accounts, doctors and services. Each list is read whole. */

import { useQuery } from "@tanstack/vue-query";
import { type Account, answered, api } from "../api/client.js";
import { everyDoctor, everyService, readAll } from "../records.js";

export const ACCOUNTS = "accounts";
const ACCOUNTS_PER_PAGE = 500;

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

export const useDoctors = () => useQuery(everyDoctor);

export const useServices = () => useQuery(everyService);
