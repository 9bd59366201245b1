import { describe, expect, it } from "vitest";
import { ASK_FOR, type Asking, askUntilDecided } from "../src/api/asking.js";
import { ProblemError } from "../src/api/client.js";
import { newKey } from "../src/api/keys.js";

/** Time that passes only in waits. */
function surroundings(): Asking & { waited: number[] } {
    let time = 0;
    const waited: number[] = [];
    return {
        waited,
        now: () => time,
        wait: async milliseconds => {
            waited.push(milliseconds);
            time += milliseconds;
        },
    };
}

const unknown = (status: number, retryAfter?: number) => new ProblemError(status, undefined, retryAfter);

describe("one press of a button", () => {
    it("keeps its key in every retry", async () => {
        const keys: string[] = [];
        let unknowns = 0;
        const answer = await askUntilDecided(
            async key => {
                keys.push(key);
                if (keys.length < 4) throw unknown([0, 503, 502][keys.length - 1] ?? 0);
                return "started";
            },
            () => unknowns++,
            surroundings(),
        );
        expect(answer).toBe("started");
        expect(new Set(keys).size).toBe(1);
        expect([keys.length, unknowns]).toEqual([4, 3]);
    });

    it.each([401, 403, 404, 409, 422, 500])("accepts %i as the decision", async status => {
        const around = surroundings();
        await expect(askUntilDecided(() => Promise.reject(unknown(status)), undefined, around)).rejects.toMatchObject({
            status,
        });
        expect(around.waited).toEqual([]);
    });

    it("waits as long as the API says, within bounds, and gives up after a minute", async () => {
        const around = surroundings();
        await expect(askUntilDecided(() => Promise.reject(unknown(503, 3)), undefined, around)).rejects.toMatchObject({
            status: 503,
        });
        expect(around.waited[0]).toBe(3_000);
        expect(Math.max(...around.waited)).toBe(8_000);
        expect(around.now()).toBeLessThanOrEqual(ASK_FOR);
    });

    it("has a new key each time, in a format that the API accepts", () => {
        const keys = Array.from({ length: 100 }, newKey);
        expect(new Set(keys).size).toBe(100);
        expect(keys.every(key => /^[0-9a-f]{32}$/.test(key))).toBe(true);
    });
});
