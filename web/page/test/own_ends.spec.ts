import { expect, test } from "vitest";
import { ProblemError } from "../src/api/client.js";
import { endingOwn, isOwnEnd } from "../src/commands/own_ends.js";

test("the page knows its own end before the answer comes", async () => {
    expect(await endingOwn("ended", async () => isOwnEnd("ended"))).toBe(true);
    expect(isOwnEnd("ended")).toBe(true);
    expect(isOwnEnd("another")).toBe(false);
});

test.each([
    [409, false],
    // It may have been carried out.
    [503, true],
])("after the failure %i of an own command, a later end is its own: %s", async (status, isOwn) => {
    const failure = new ProblemError(status, undefined, undefined);

    await expect(endingOwn(`failed ${status}`, () => Promise.reject(failure))).rejects.toBe(failure);

    expect(isOwnEnd(`failed ${status}`)).toBe(isOwn);
});
