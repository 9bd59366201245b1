import { describe, expect, it } from "vitest";
import { placesInNow } from "../src/worklist/sections.js";

describe("the places in Now under a pointer", () => {
    it.each([
        ["the first consultation takes the empty place", [], [1], [1]],
        ["the one of two that goes leaves its place empty", [1, 2], [2], [1, 2]],
        ["the next one takes the place of the one that went", [1, 2], [2, 3], [3, 2]],
        ["a second one waits for a place", [1], [1, 2], [1]],
        ["the last one that goes leaves the empty section", [1], [], []],
        ["two that go leave the height of both", [1, 2], [], [1, 2]],
    ])("%s", (_, before, running, places) => {
        expect(placesInNow(before, running)).toEqual(places);
    });
});
