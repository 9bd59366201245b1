import { describe, expect, it } from "vitest";
import type { CalledTicket } from "../src/api/client.js";
import { isNumbered } from "../src/board/room_names.js";
import {
    callsOver,
    isNewCall,
    newCalls,
    OVER_FOR,
    openCalls,
    rememberCalls,
    waitingByRoom,
} from "../src/wall/calls.js";
import { fitting, inColumnsOf, inPages } from "../src/wall/packing.js";
import { nearEnd, SAID_BEFORE } from "../src/wall/session_end.js";
import { at, NOON } from "./appointments.js";

const call = (ticket: string, minutes: number, until = 3): CalledTicket => ({
    ticket,
    room: "4",
    since: at(minutes),
    until: at(until),
});
const tickets = (calls: readonly CalledTicket[]): string[] => calls.map(({ ticket }) => ticket);

describe("the calls of the waiting room", () => {
    it("are open until their end", () => {
        expect(tickets(openCalls([call("A01", -1, 1), call("A02", -4, 0), call("A03", -9, 9)], NOON))).toEqual([
            "A01",
            "A03",
        ]);
    });

    it("are new once, also when a ticket is called again, and never after the first read", () => {
        const before = [call("A01", -3), call("A02", -2)];
        expect(tickets(newCalls(before, [call("A02", 0), call("A01", -3), call("A03", 0)]))).toEqual(["A02", "A03"]);
        expect(newCalls(undefined, before)).toEqual([]);
    });

    it("stay below for half an hour when they are over, the newest first", () => {
        const seen = rememberCalls([call("A01", -31), call("A02", -20), call("A03", -10)], [call("A02", -1)], NOON);
        expect(tickets(seen)).toEqual(["A02", "A03"]);
        expect(tickets(callsOver(seen, [], NOON))).toEqual(["A02", "A03"]);
        expect(tickets(callsOver(seen, [call("A02", -1)], NOON))).toEqual(["A03"]);
        expect(callsOver(seen, [], NOON + OVER_FOR)).toEqual([]);
    });

    it("are marked while they are new", () => {
        expect(isNewCall(call("A01", 0), NOON + 19_000)).toBe(true);
        expect(isNewCall(call("A01", 0), NOON + 20_000)).toBe(false);
    });

    it.each([
        ["4", true],
        ["2B", true],
        ["X-ray", false],
    ])("write the room %s with the word: %s", (room, numbered) => {
        expect(isNumbered(room)).toBe(numbered);
    });
});

describe("the waiting patients", () => {
    it("are counted by room without the name of a doctor", () => {
        const counts = [
            { doctor: "Dr. Amrani", room: "10", count: 1 },
            { doctor: "Dr. Okafor", room: null, count: 2 },
            { doctor: "Dr. Rossi", room: "9", count: 3 },
            { doctor: "Dr. Silva", room: null, count: 1 },
            { doctor: "Dr. Smith", room: "10", count: 4 },
        ];
        const rooms = waitingByRoom(counts, "en");
        expect(rooms).toEqual([
            { room: "9", count: 3 },
            { room: "10", count: 5 },
            { room: null, count: 3 },
        ]);
        expect(JSON.stringify(rooms)).not.toContain("Dr.");
    });
});

describe("the pages of a wall", () => {
    it.each([
        [100, 30, 0, 3],
        [100, 30, 5, 3],
        [99, 30, 5, 2],
        [10, 30, 5, 1],
        [10, 0, 5, 1],
    ])("%i pixels fit %i and gaps of %i: %i", (space, size, gap, count) => {
        expect(fitting(space, size, gap)).toBe(count);
    });

    it("have whole things only, and there is always one", () => {
        expect(inPages([1, 2, 3, 4, 5], 2)).toEqual([[1, 2], [3, 4], [5]]);
        expect(inPages([], 2)).toEqual([[]]);
    });

    it("keep a lane in one column, and cut only a lane that is taller than the screen", () => {
        const lanes = { a: 3, b: 2, c: 25, d: 1 };
        const columns = inColumnsOf(Object.keys(lanes) as (keyof typeof lanes)[], lane => lanes[lane], 10);
        expect(columns.map(column => column.map(({ lane, from, to }) => [lane, from, to]))).toEqual([
            [
                ["a", 0, 3],
                ["b", 0, 2],
            ],
            [["c", 0, 8]],
            [["c", 8, 16]],
            [["c", 16, 24]],
            [
                ["c", 24, 25],
                ["d", 0, 1],
            ],
        ]);
    });
});

describe("the session of a screen", () => {
    it("says its end in the last half hour", () => {
        const session = { expires_at: at(0) };
        expect(nearEnd(session, NOON - SAID_BEFORE)).toBeUndefined();
        expect(nearEnd(session, NOON - SAID_BEFORE + 1)).toBe(at(0));
    });
});
