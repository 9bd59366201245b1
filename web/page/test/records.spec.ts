import { expect, test } from "vitest";
import { choicesOf, readAll } from "../src/records.js";

test("the records to choose from are the active ones of all pages, by name", async () => {
    const all = Array.from({ length: 120 }, (_, n) => ({ id: n, name: `Dr. ${200 - n}`, active: n !== 60 }));
    const read = async (page: number) => ({ items: all.slice((page - 1) * 50, page * 50), total: all.length });

    const choices = choicesOf(await readAll(read));

    expect(choices).toHaveLength(119);
    expect(choices[0]?.name).toBe("Dr. 100");
    expect(choices.map(choice => choice.id)).not.toContain(60);
});
