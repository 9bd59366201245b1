import { describe, expect, it } from "vitest";
import { type Filters, readFilters, writeFilters } from "../src/worklist/filters.js";

const NONE: Filters = { date: undefined, search: "", statuses: [], page: 1 };

describe("the worklist's address", () => {
    it("means today when it is empty", () => {
        expect(readFilters({}, "")).toEqual(NONE);
        expect(writeFilters(NONE)).toEqual({ query: {}, hash: "" });
    });

    it.each<Filters>([
        { date: "2026-11-25", search: "", statuses: ["pending"], page: 3 },
        { date: undefined, search: "doe & söhne #1", statuses: ["confirmed", "done"], page: 1 },
    ])("is read as it was written", filters => {
        const { query, hash } = writeFilters(filters);
        expect(readFilters(query, hash)).toEqual(filters);
    });

    it("keeps the search text after the #, which is not sent", () => {
        const { query, hash } = writeFilters({ ...NONE, search: "Doe" });
        expect(JSON.stringify(query)).not.toContain("Doe");
        expect(hash).toBe("#q=Doe");
    });

    it.each([
        [{ date: "2026-02-30" }],
        [{ date: "tomorrow" }],
        [{ page: "0" }],
        [{ page: "-1" }],
        [{ page: "1e99" }],
        [{ status: "asleep" }],
        [{ status: null, page: ["x"] }],
    ])("ignores invalid filters: %j", query => {
        expect(readFilters(query, "")).toEqual(NONE);
    });

    it("shortens the search text to the API's limit", () => {
        expect(readFilters({}, `#q=${"x".repeat(300)}`).search).toHaveLength(200);
    });
});
