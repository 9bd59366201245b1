/** Who is signed in, and signing in and out; it must not know what a signed-in person may see. */

import { type QueryClient, useQuery } from "@tanstack/vue-query";
import { computed } from "vue";
import { toast } from "vue-sonner";
import { standUp } from "./api/asking.js";
import { answered, api, type Who } from "./api/client.js";
import { offers } from "./offers.js";
import { readSession, SESSION } from "./queries.js";

/** How often it is asked who is signed in, in milliseconds: another tab may have changed it, and the cookie is one for all. */
const LOOKED_AT_EVERY = 30_000;

/** Known from the first page on: the router lets nobody in without. */
export function useSession() {
    const { data } = useQuery({
        queryKey: SESSION,
        queryFn: readSession,
        staleTime: Number.POSITIVE_INFINITY,
        refetchOnWindowFocus: "always",
        refetchInterval: LOOKED_AT_EVERY,
        retry: false,
    });
    return computed(() => data.value ?? undefined);
}

/** For pages that only signed-in staff see. While somebody signs out it is still the last one. */
export function useWho() {
    const session = useSession();
    let last: Who | undefined;
    return computed(() => {
        last = session.value ?? last;
        if (last === undefined) throw new Error("nobody is signed in here");
        return last;
    });
}

export async function signIn(client: QueryClient, username: string, password: string): Promise<void> {
    await answered(api.POST("/api/session", { body: { username, password } }));
    client.setQueryData(SESSION, await readSession());
}

export async function signOut(): Promise<void> {
    await answered(api.DELETE("/api/session"));
}

/** What one saw is not for the next who sits here. */
export function forgetReads(client: QueryClient): void {
    standUp();
    offers.value = [];
    toast.dismiss();
    client.removeQueries({ predicate: query => query.queryKey[0] !== SESSION[0] });
}

/** Nobody is signed in any more. */
export function forget(client: QueryClient): void {
    client.setQueryData(SESSION, null);
    forgetReads(client);
}
