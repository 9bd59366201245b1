import { expect, test } from "vitest";
import { ProblemError, type Trackings } from "../src/api/client.js";
import { openedBy, sendEach } from "../src/commands/check_ins.js";

test("takes back what the answer says, and no other check-in of the patient", () => {
    const items = [{ appointment_id: 1 }, { appointment_id: 2 }] as Trackings["items"];
    expect(openedBy({ items, opened: [2] })).toEqual([2]);
    // Another desk was first, or the answer is one of an older version.
    expect(openedBy({ items, opened: [] })).toEqual([]);
    expect(openedBy({ items })).toEqual([]);
});

test("a refusal for one appointment stops no other, and an unknown outcome is thrown first", async () => {
    const sent: number[] = [];
    const failures: Record<number, ProblemError> = {
        1: new ProblemError(409, undefined, undefined),
        3: new ProblemError(503, undefined, undefined),
    };
    const send = (id: number): Promise<void> => {
        sent.push(id);
        return failures[id] ? Promise.reject(failures[id]) : Promise.resolve();
    };

    await expect(sendEach([1, 2], send)).rejects.toBe(failures[1]);
    await expect(sendEach([1, 2, 3], send)).rejects.toBe(failures[3]);
    expect(sent).toEqual([1, 2, 1, 2, 3]);
});
