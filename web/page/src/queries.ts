/** The page's reads from the API, each under one query key. */

import { QueryClient, useQuery } from "@tanstack/vue-query";
import { computed, type Ref, ref } from "vue";
import { answered, api, ProblemError, type StatusName, type Visit, type Who, type Worklist } from "./api/client.js";

export const PAGE_SIZE = 200;
/** The longest printed worklist, and the pages of a search. It is also the most that the API gives at once. */
export const PAPER_SIZE = 500;
/** How long the search waits after the last typed letter, in milliseconds. */
export const TYPED = 200;
/** How often an open visit is read again, in milliseconds. */
export const VISIT_READ_EVERY = 10_000;

/** How often a screen in the waiting room reads, in milliseconds: only a new call is an event. Each read also renews its session. */
export const WALL_READ_EVERY = 15_000;

/** How many pages of a day's timeline are read. A client that sends requests in a loop must not make the day endless. */
const TIMELINE_PAGES = 5;

export interface WorklistWanted {
    readonly date: string;
    readonly doctorId: number | null;
    readonly search: string;
    readonly statuses: readonly StatusName[];
    readonly page: number;
}

export const SESSION = ["session"] as const;
export const WORKLIST = "worklist";
export const BOARD = "board";
export const VISIT = "visit";
export const WALL = "wall";

/** Whether to retry. A wrong address or a refusal is final. Other failures are retried, each time after a longer wait. */
function asksAgain(_failures: number, error: unknown): boolean {
    const final = error instanceof ProblemError && error.status >= 400 && error.status < 500 && error.status !== 429;
    return !final;
}

export function newQueryClient(): QueryClient {
    return new QueryClient({
        defaultOptions: {
            queries: {
                // The stream reports each change. A tab that comes back into view reads once more.
                staleTime: 10_000,
                retry: asksAgain,
                retryDelay: failures => Math.min(500 * 2 ** failures, 10_000),
                // Without Internet, as in a hospital's network, the browser reports that it is offline.
                networkMode: "always",
            },
        },
    });
}

/** The signed-in user, or null if no one is signed in. */
export async function readSession(): Promise<Who | null> {
    try {
        return await answered(api.GET("/api/session"));
    } catch (error) {
        if (error instanceof ProblemError && error.status === 401) return null;
        throw error;
    }
}

/** One page of the worklist. */
export function readWorklist(wanted: WorklistWanted, pageSize: number, signal?: AbortSignal): Promise<Worklist> {
    const { date, doctorId, search, statuses, page } = wanted;
    const query = {
        date,
        page,
        page_size: pageSize,
        ...(doctorId === null ? {} : { doctor_id: doctorId }),
        ...(search === "" ? {} : { q: search }),
        ...(statuses.length === 0 ? {} : { status: [statuses.join(",")] as unknown as StatusName[] }),
    };
    return answered(api.GET("/api/appointments", { params: { query }, signal: signal ?? null }));
}

/** The pages of the worklist up to this one, as one list. */
export async function readWorklistPages(
    wanted: Omit<WorklistWanted, "page">,
    pageSize: number,
    pages: number,
    signal?: AbortSignal,
): Promise<Worklist> {
    const list = await readWorklist({ ...wanted, page: 1 }, pageSize, signal);
    for (let page = 2; page <= pages && list.items.length < list.total; page++)
        list.items.push(...(await readWorklist({ ...wanted, page }, pageSize, signal)).items);
    return list;
}

/** The query of one page of the worklist. */
export function worklistQuery(wanted: WorklistWanted) {
    return {
        queryKey: [WORKLIST, wanted],
        queryFn: ({ signal }: { signal: AbortSignal }) => readWorklist(wanted, PAGE_SIZE, signal),
    };
}

/** For long lists. An answer replaces another one as a whole, and to watch each field of 300 patients costs as much as to draw them. */
export const WHOLE = { shallow: true } as const;

export function useWorklist(wanted: Ref<WorklistWanted>, isNeeded: Ref<boolean> = ref(true)) {
    return useQuery({
        ...WHOLE,
        enabled: isNeeded,
        queryKey: computed(() => [WORKLIST, wanted.value]),
        queryFn: ({ signal }) => readWorklist(wanted.value, PAGE_SIZE, signal),
        // Rows of another day or doctor must not stay under the new heading: the user could press their buttons.
        placeholderData: (shown, query) => {
            const before = query?.queryKey[1] as WorklistWanted | undefined;
            const isSame = before?.date === wanted.value.date && before.doctorId === wanted.value.doctorId;
            return isSame ? shown : undefined;
        },
    });
}

export function useBoard() {
    return useQuery({
        queryKey: [BOARD],
        queryFn: ({ signal }) => answered(api.GET("/api/board", { signal })),
        ...WHOLE,
    });
}

export function useWall() {
    return useQuery({
        queryKey: [WALL],
        queryFn: ({ signal }) => answered(api.GET("/api/wall", { signal })),
        refetchInterval: WALL_READ_EVERY,
        // A browser may count a screen without keyboard as hidden. Its session must not end because of that.
        refetchIntervalInBackground: true,
    });
}

export function useVisit(patientId: Ref<number>, date: Ref<string>) {
    return useQuery({
        // Only its own doctor gets the event of a refusal or an overdue consultation. So the stream does not report every change of a day.
        refetchInterval: VISIT_READ_EVERY,
        queryKey: computed(() => [VISIT, patientId.value, date.value]),
        queryFn: ({ signal }) => readVisit(patientId.value, date.value, signal),
    });
}

/** The patient's day, with the newest pages of its timeline as one list. */
async function readVisit(patientId: number, date: string, signal: AbortSignal): Promise<Visit> {
    const path = { patient_id: patientId };
    const read = (query: { date: string; before?: number }): Promise<Visit> =>
        answered(api.GET("/api/patients/{patient_id}/visit", { params: { path, query }, signal }));
    const visit = await read({ date });
    let { next } = visit;
    for (let pages = 1; next !== null && pages < TIMELINE_PAGES; pages++) {
        const before = Number(new URL(next, location.href).searchParams.get("before"));
        const older = await read({ date, before });
        visit.timeline = [...older.timeline, ...visit.timeline];
        next = older.next;
    }
    return visit;
}
