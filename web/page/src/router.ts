/** The page's addresses, and who is sent where; it must not know what stands there. */

import type { QueryClient } from "@tanstack/vue-query";
import { createRouter, createWebHistory, type RouteLocationNormalized } from "vue-router";
import type { Who } from "./api/client.js";
import BoardPage from "./board/BoardPage.vue";
import WallPage from "./board/WallPage.vue";
import { readSession, SESSION } from "./queries.js";
import NoSuchPage from "./shell/NoSuchPage.vue";
import SignInPage from "./sign_in/SignInPage.vue";
import VisitPage from "./visit/VisitPage.vue";
import WorklistPage from "./worklist/WorklistPage.vue";

export const HOME_OF = { doctor: "worklist", reception: "board", supervisor: "board", service: "board" } as const;

/** An address within this page, or undefined: nobody is sent elsewhere by what stands in an address. */
export function within(next: unknown): string | undefined {
    return typeof next === "string" && /^\/(?![/\\])/.test(next) ? next : undefined;
}

/** Where to sign in, and come back to where one was. What is searched for, which may be a name, stays out of the address. */
export function signInFor(from: RouteLocationNormalized, why: Record<string, string> = {}) {
    const next = from.fullPath.replace(/#.*$/s, "");
    return { name: "sign_in", query: { next, ...why }, state: { search: from.hash } };
}

export function newRouter(client: QueryClient) {
    const router = createRouter({
        history: createWebHistory(),
        // All pages come at once: one that is fetched when it is asked for is missing when the server is away, or has a newer page.
        routes: [
            {
                path: "/sign-in",
                name: "sign_in",
                component: SignInPage,
                meta: { open: true },
            },
            { path: "/worklist", name: "worklist", component: WorklistPage },
            { path: "/board", name: "board", component: BoardPage },
            { path: "/wall", name: "wall", component: WallPage },
            {
                path: "/patients/:patient(\\d+)/:date(\\d{4}-\\d{2}-\\d{2})?",
                name: "visit",
                component: VisitPage,
            },
            { path: "/", name: "home", component: { render: () => null } },
            { path: "/:elsewhere(.*)*", name: "elsewhere", component: NoSuchPage },
        ],
    });
    router.beforeEach(async to => admit(to, client));
    return router;
}

async function admit(to: RouteLocationNormalized, client: QueryClient) {
    if (to.meta.open) return true;
    let who: Who | null;
    try {
        who = await client.ensureQueryData({ queryKey: SESSION, queryFn: readSession, retry: false });
    } catch {
        // An API that does not answer is no reason to ask for a password: the sign-in page says what is wrong.
        return signInFor(to, { unreachable: "1" });
    }
    if (who === null) return signInFor(to);
    return to.name === "home" ? { name: HOME_OF[who.role] } : true;
}
