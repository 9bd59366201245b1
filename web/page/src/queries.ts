/** What the page reads from the API, each under one key; it must not know who shows it. */

import { QueryClient, useQuery } from "@tanstack/vue-query";
import { computed, type Ref } from "vue";
import { answered, api, ProblemError, type StatusName, type Who } from "./api/client.js";

export const PAGE_SIZE = 50;
/** How long the hand may rest between two letters before it is searched for, in milliseconds. */
export const TYPED = 200;
/** How often an open visit is read anew, in milliseconds. */
export const VISIT_READ_EVERY = 10_000;

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

/** A wrong address or a refusal stays what it is; what did not answer is asked again, ever more slowly. */
function asksAgain(_failures: number, error: unknown): boolean {
    const final = error instanceof ProblemError && error.status >= 400 && error.status < 500 && error.status !== 429;
    return !final;
}

export function newQueryClient(): QueryClient {
    return new QueryClient({
        defaultOptions: {
            queries: {
                // The stream says when something has changed; a tab that comes back into view looks once more.
                staleTime: 10_000,
                retry: asksAgain,
                retryDelay: failures => Math.min(500 * 2 ** failures, 10_000),
                // A hospital's network has no Internet, and the browser then says that it is offline.
                networkMode: "always",
            },
        },
    });
}

/** Who is signed in; null: nobody. */
export async function readSession(): Promise<Who | null> {
    try {
        return await answered(api.GET("/api/session"));
    } catch (error) {
        if (error instanceof ProblemError && error.status === 401) return null;
        throw error;
    }
}

export function useWorklist(wanted: Ref<WorklistWanted>) {
    return useQuery({
        queryKey: computed(() => [WORKLIST, wanted.value]),
        queryFn: ({ signal }) => {
            const { date, doctorId, search, statuses, page } = wanted.value;
            const query = {
                date,
                page,
                page_size: PAGE_SIZE,
                ...(doctorId === null ? {} : { doctor_id: doctorId }),
                ...(search === "" ? {} : { q: search }),
                ...(statuses.length === 0 ? {} : { status: [statuses.join(",")] as unknown as StatusName[] }),
            };
            return answered(api.GET("/api/appointments", { params: { query }, signal }));
        },
        // Another day's rows, or another doctor's, under this one's heading could be pressed.
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
    });
}

export function useVisit(patientId: Ref<number>, date: Ref<string>) {
    return useQuery({
        // A refusal and an overdue consultation are told to their own doctor alone, so the stream does not say all of a day.
        refetchInterval: VISIT_READ_EVERY,
        queryKey: computed(() => [VISIT, patientId.value, date.value]),
        queryFn: ({ signal }) => {
            const params = { path: { patient_id: patientId.value }, query: { date: date.value } };
            return answered(api.GET("/api/patients/{patient_id}/visit", { params, signal }));
        },
    });
}
