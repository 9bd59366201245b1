import { describe, expect, it } from "vitest";
import type { Lane, LaneEntry } from "../src/board/lanes.js";
import { lanesInOrder, type SteadyLane } from "../src/board/steady_lanes.js";

const entry = (patient_id: number): LaneEntry =>
    ({ item: { patient_id }, appointment: patient_id + 100 }) as unknown as LaneEntry;
const lane = (key: string, ...patients: number[]): Lane =>
    ({ key, name: key, entries: patients.map(entry), waiting: patients.length }) as unknown as Lane;
const read = (lanes: readonly SteadyLane[]) =>
    lanes.map(({ key, waiting, cards }) => [
        key,
        waiting,
        ...cards.map(card => `${card.entry.item.patient_id}${card.isGone ? " gone" : ""}`),
    ]);

describe("the lanes under a pointer", () => {
    const order = [
        ["a", "1 101", "2 102"],
        ["b", "3 103"],
    ];
    const before = lanesInOrder(order, [lane("a", 1, 2), lane("b", 3)], []);

    it("keep their places when the board has another order and another card", () => {
        const after = lanesInOrder(order, [lane("b", 3), lane("a", 4, 2, 1)], before);
        expect(read(after)).toEqual([
            ["a", 3, "1", "2"],
            ["b", 1, "3"],
        ]);
    });

    it("keep the place of a card and of a whole lane that have gone", () => {
        const after = lanesInOrder(order, [lane("a", 2)], before);
        expect(read(after)).toEqual([
            ["a", 1, "1 gone", "2"],
            ["b", 0, "3 gone"],
        ]);
        expect(read(lanesInOrder(order, [lane("a", 2, 1)], after))[0]).toEqual(["a", 2, "1", "2"]);
    });

    it("show everything as it is after a refresh", () => {
        expect(read(lanesInOrder([["a", "2 102"]], [lane("a", 2)], before))).toEqual([["a", 1, "2"]]);
    });
});
