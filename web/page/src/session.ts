/** The signed-in user, signing in and signing out. */

import { type QueryClient, useQuery, useQueryClient } from "@tanstack/vue-query";
import { type ComputedRef, computed, effectScope } from "vue";
import { toast } from "vue-sonner";
import { standUp } from "./api/asking.js";
import { answered, api, type Who } from "./api/client.js";
import { openDialog } from "./commands/dialogs.js";
import { openDoctorDialog } from "./commands/doctor_commands.js";
import { openStayed } from "./commands/stayed.js";
import { openWalkIn } from "./desk/walk_in.js";
import { endedWaits } from "./ended_waits.js";
import { offers } from "./offers.js";
import { readSession, SESSION } from "./queries.js";
import { openQuestion } from "./questions.js";
import { isSearchOpen } from "./search/open.js";

/** How often the page reads the session, in milliseconds. Another tab may have changed it, because all tabs share one cookie. */
const LOOKED_AT_EVERY = 30_000;

type Session = ComputedRef<Who | undefined>;

/** One for the whole page. Each row of a list asks who is signed in, and each observer would read the session on a timer. */
const sessions = new WeakMap<QueryClient, Session>();

/** The signed-in user. The router reads it before it opens a page that needs it. */
export function useSession(): Session {
    const client = useQueryClient();
    const session = sessions.get(client) ?? effectScope(true).run(() => observeSession(client));
    if (session === undefined) throw new Error("a scope that was never stopped always runs");
    sessions.set(client, session);
    return session;
}

function observeSession(client: QueryClient): Session {
    const { data } = useQuery(
        {
            queryKey: SESSION,
            queryFn: readSession,
            staleTime: Number.POSITIVE_INFINITY,
            refetchOnWindowFocus: "always",
            refetchInterval: LOOKED_AT_EVERY,
            retry: false,
        },
        client,
    );
    return computed(() => data.value ?? undefined);
}

/** The signed-in user, for pages that need one. During a sign-out it is still the last user. */
export function useWho() {
    const session = useSession();
    let last: Who | undefined;
    return computed(() => {
        last = session.value ?? last;
        if (last === undefined) throw new Error("no one is signed in here");
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

/** Removes everything that the last user saw, so that the next user does not see it. */
export function forgetReads(client: QueryClient): void {
    standUp();
    offers.value = [];
    endedWaits.value = [];
    toast.dismiss();
    openDialog.value = undefined;
    openDoctorDialog.value = undefined;
    openStayed.value = undefined;
    openWalkIn.value = undefined;
    isSearchOpen.value = false;
    openQuestion.value?.answer(undefined);
    client.removeQueries({ predicate: query => query.queryKey[0] !== SESSION[0] });
}

/** Ends the session on the page. */
export function forget(client: QueryClient): void {
    client.setQueryData(SESSION, null);
    forgetReads(client);
}
