/** Reads a day's report: for the screen, and as a table for spreadsheets. */

import { useQuery } from "@tanstack/vue-query";
import { computed, type Ref } from "vue";
import { answered, api } from "../api/client.js";

const REPORT = "report";
/** How often the report of the running day is read again, in milliseconds. No event says that it has changed. */
const READ_EVERY = 60_000;

export function useReport(date: Ref<string>, isToday: Ref<boolean>) {
    return useQuery({
        queryKey: computed(() => [REPORT, date.value]),
        queryFn: async ({ signal }) => {
            const report = await answered(
                api.GET("/api/reports/day", { params: { query: { date: date.value } }, signal }),
            );
            // Without `Accept: text/csv` the answer is never a text.
            return report as Exclude<typeof report, string>;
        },
        refetchInterval: computed(() => isToday.value && READ_EVERY),
    });
}

/** The same report as CSV. Throws ProblemError. */
export async function readCsv(date: string): Promise<Blob> {
    const csv: unknown = await answered(
        api.GET("/api/reports/day", { params: { query: { date } }, headers: { Accept: "text/csv" }, parseAs: "blob" }),
    );
    return csv as Blob;
}
