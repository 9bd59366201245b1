/** The page's addresses, and the redirects to the sign-in page and to each role's first page. */

import type { QueryClient } from "@tanstack/vue-query";
import { createRouter, createWebHistory, type RouteLocationNormalized } from "vue-router";
import AdminPage from "./admin/AdminPage.vue";
import type { Who } from "./api/client.js";
import BoardPage from "./board/BoardPage.vue";
import DeskPage from "./desk/DeskPage.vue";
import { readSession, SESSION } from "./queries.js";
import ReportPage from "./report/ReportPage.vue";
import NoSuchPage from "./shell/NoSuchPage.vue";
import SignInPage from "./sign_in/SignInPage.vue";
import VisitPage from "./visit/VisitPage.vue";
import WaitingRoomPage from "./wall/WaitingRoomPage.vue";
import WallPage from "./wall/WallPage.vue";
import WorklistPage from "./worklist/WorklistPage.vue";

export const HOME_OF = {
    doctor: "worklist",
    reception: "desk",
    supervisor: "board",
    service: "board",
    admin: "admin",
    wall: "waiting_room",
} as const;

/** The pages in each role's navigation, the home first. */
export const PAGES_OF: Readonly<Record<Who["role"], readonly string[]>> = {
    doctor: ["worklist", "board"],
    reception: ["desk", "board", "worklist"],
    supervisor: ["board", "desk", "worklist", "report"],
    service: ["board", "worklist"],
    admin: ["admin"],
    wall: ["waiting_room"],
};

/** An address within this page, or undefined. So a link cannot redirect a user to another site. */
export function within(next: unknown): string | undefined {
    return typeof next === "string" && /^\/(?![/\\])/.test(next) ? next : undefined;
}

/** The sign-in page, which returns to `from`. The search text may be a name, so it stays out of the address. */
export function signInFor(from: RouteLocationNormalized, why: Record<string, string> = {}) {
    const next = from.fullPath.replace(/#.*$/s, "");
    return { name: "sign_in", query: { next, ...why }, state: { search: from.hash } };
}

export function newRouter(client: QueryClient) {
    const router = createRouter({
        history: createWebHistory(),
        // All pages are loaded at the start. A page that is loaded later fails when the server is away or has a newer version.
        routes: [
            {
                path: "/sign-in",
                name: "sign_in",
                component: SignInPage,
                meta: { open: true },
            },
            { path: "/worklist", name: "worklist", component: WorklistPage },
            { path: "/desk", name: "desk", component: DeskPage },
            { path: "/board", name: "board", component: BoardPage },
            { path: "/wall", name: "wall", component: WallPage, meta: { screen: true } },
            { path: "/waiting-room", name: "waiting_room", component: WaitingRoomPage, meta: { screen: true } },
            {
                path: "/patients/:patient(\\d+)/:date(\\d{4}-\\d{2}-\\d{2})?",
                name: "visit",
                component: VisitPage,
            },
            { path: "/report/:date(\\d{4}-\\d{2}-\\d{2})?", name: "report", component: ReportPage },
            { path: "/admin", name: "admin", component: AdminPage },
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
        // The user may still be signed in when the API does not answer. So the sign-in page shows the problem and asks for no password.
        return signInFor(to, { unreachable: "1" });
    }
    if (who === null) return signInFor(to);
    // A screen in the waiting room reads only its own page, and no one else reads that page.
    const isForOthers = (who.role === "wall") !== (to.name === "waiting_room");
    // Only the roles of the desk may check in every patient.
    const isClosed = to.name === "desk" && !PAGES_OF[who.role].includes("desk");
    return to.name === "home" || isForOthers || isClosed ? { name: HOME_OF[who.role] } : true;
}
