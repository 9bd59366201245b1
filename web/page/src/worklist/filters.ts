/** What of the worklist is asked for, as the address has it; pure, it must not know the router. */

import type { StatusName } from "../api/client.js";
import { isDay } from "../clock.js";

export const STATUSES: readonly StatusName[] = ["scheduled", "confirmed", "pending", "in_progress", "done", "canceled"];

export interface Filters {
    /** Undefined: today, whichever day that is when somebody looks. */
    readonly date: string | undefined;
    readonly search: string;
    readonly statuses: readonly StatusName[];
    readonly page: number;
}

type Query = Record<string, string | null | (string | null)[] | undefined>;

const text = (value: Query[string]): string => (Array.isArray(value) ? (value[0] ?? "") : (value ?? ""));

/** What an address asks for; what makes no sense in it is left out. */
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

/** The address that asks for this. What is searched for may be a name: it stands behind the #, which no server and no log is sent. */
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
