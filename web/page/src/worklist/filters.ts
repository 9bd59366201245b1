/** The filters of the worklist, from and to the address, in pure functions without the router. */

import type { StatusName } from "../api/client.js";
import { isDay } from "../clock.js";

export const STATUSES: readonly StatusName[] = ["scheduled", "confirmed", "pending", "in_progress", "done", "canceled"];

export interface Filters {
    /** Undefined means today, on the day when a user opens the address. */
    readonly date: string | undefined;
    readonly search: string;
    readonly statuses: readonly StatusName[];
    readonly page: number;
}

type Query = Record<string, string | null | (string | null)[] | undefined>;

const text = (value: Query[string]): string => (Array.isArray(value) ? (value[0] ?? "") : (value ?? ""));

/** The filters of an address. Invalid parts are ignored. */
export function readFilters(query: Query, hash: string): Filters {
    const date = text(query.date);
    const asked = text(query.status).split(",");
    const page = Number(text(query.page));
    return {
        date: isDay(date) ? date : undefined,
        search: new URLSearchParams(hash.replace(/^#/, "")).get("q")?.slice(0, 200) ?? "",
        statuses: STATUSES.filter(one => asked.includes(one)),
        page: Number.isSafeInteger(page) && page > 0 ? page : 1,
    };
}

/** The address for these filters. The search text may be a name, so it comes after the #: browsers send that part to no server. */
export function writeFilters({ date, search, statuses, page }: Filters): {
    query: Record<string, string>;
    hash: string;
} {
    const query: Record<string, string> = {};
    if (date !== undefined) query.date = date;
    if (statuses.length > 0) query.status = statuses.join(",");
    if (page > 1) query.page = String(page);
    return { query, hash: search === "" ? "" : `#${new URLSearchParams({ q: search })}` };
}
