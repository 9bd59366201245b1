import { describe, expect, it } from "vitest";
import { readActive } from "../src/records.js";

describe("the records to choose from", () => {
    it("are the active ones of all pages, by name", async () => {
        const all = Array.from({ length: 120 }, (_, n) => ({ id: n, name: `Dr. ${200 - n}`, active: n !== 60 }));
        const read = async (page: number) => ({
            items: all.slice((page - 1) * 50, page * 50),
            page_size: 50,
            total: all.length,
        });

        const choices = await readActive(read);

        expect(choices).toHaveLength(119);
        expect(choices[0]?.name).toBe("Dr. 100");
        expect(choices.map(choice => choice.id)).not.toContain(60);
    });
});
