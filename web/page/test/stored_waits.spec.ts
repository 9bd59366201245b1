import { expect, test } from "vitest";
import type { EndedWait } from "../src/ended_waits.js";
import { readWaits, writeWaits } from "../src/stored_waits.js";
import { at, NOON } from "./appointments.js";

const HOUR = 60;
const waits: readonly EndedWait[] = [
    { patient_id: 1, patient_name: "John Doe", birth_date: "1974-05-02", reason: "missed", timestamp: at(-5) },
    { patient_id: 2, patient_name: "Maria Santos", record_number: "P-017", reason: "left", timestamp: at(-13 * HOUR) },
];

/** The storage of one tab. */
function aStorage(): Storage {
    const texts = new Map<string, string>();
    return {
        getItem: (key: string) => texts.get(key) ?? null,
        setItem: (key: string, text: string) => void texts.set(key, text),
    } as unknown as Storage;
}

test("the lines of today are read again by their own user, without a name", () => {
    const storage = aStorage();
    expect(readWaits("7", NOON, storage)).toEqual([]);

    writeWaits("7", waits, storage);

    const [line] = waits;
    expect(readWaits("7", NOON, storage)).toEqual([
        { patient_id: 1, patient_name: "", reason: "missed", timestamp: line?.timestamp },
    ]);
    expect(readWaits("8", NOON, storage)).toEqual([]);
    expect(storage.getItem("visit.ended_waits")).not.toMatch(/John|1974|P-017/);
});
