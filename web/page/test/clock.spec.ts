import { afterEach, describe, expect, it, vi } from "vitest";
import {
    daysLater,
    heardFromServer,
    hospitalDay,
    inMinutes,
    isDay,
    now,
    tick,
    ticking,
    timeOfDay,
} from "../src/clock.js";

afterEach(() => {
    vi.useRealTimers();
});

describe("the clock", () => {
    it("follows the server's when the workstation's is wrong", () => {
        vi.useFakeTimers({ now: Date.parse("2026-03-02T12:07:00Z") });
        heardFromServer("Mon, 02 Mar 2026 12:00:00 GMT");
        tick();
        expect(new Date(now.value).toISOString()).toBe("2026-03-02T12:00:00.000Z");
    });

    it("does not jump when a Date differs by less than a second", () => {
        vi.useFakeTimers({ now: Date.parse("2026-03-02T12:00:00Z") });
        heardFromServer("Mon, 02 Mar 2026 12:00:00 GMT");
        heardFromServer("Mon, 02 Mar 2026 11:59:59 GMT");
        heardFromServer(null);
        heardFromServer("yesterday");
        tick();
        expect(now.value).toBe(Date.parse("2026-03-02T12:00:00Z"));
    });

    it.each([
        [-5, "0\u00a0min", "0:00"],
        [59_999, "0\u00a0min", "0:59"],
        [14 * 60_000 + 5_000, "14\u00a0min", "14:05"],
        [62 * 60_000 + 9_000, "1\u00a0h\u00a002\u00a0min", "1:02:09"],
        [25 * 3_600_000, "25\u00a0h\u00a000\u00a0min", "25:00:00"],
    ])("writes %i ms as %s and %s", (milliseconds, words, digits) => {
        expect(inMinutes(milliseconds)).toBe(words);
        expect(ticking(milliseconds)).toBe(digits);
    });

    it("shows the hospital's day and hour in any time zone of the screen", () => {
        const at = Date.parse("2026-03-01T23:30:00Z");
        expect(hospitalDay(at, { timezone: "Europe/Paris", day_starts: "00:00" })).toBe("2026-03-02");
        expect(hospitalDay(at, { timezone: "Europe/Paris", day_starts: "04:00" })).toBe("2026-03-01");
        expect(hospitalDay(at, { timezone: "America/Vancouver", day_starts: "04:00" })).toBe("2026-03-01");
        expect(timeOfDay(at, "Europe/Paris", "fr")).toBe("00:30");
    });

    it("starts the day at the local time, also in the night of the change to summer time", () => {
        const paris = { timezone: "Europe/Paris", day_starts: "04:00" };
        expect(hospitalDay(Date.parse("2026-03-29T01:59:59.999Z"), paris)).toBe("2026-03-28");
        expect(hospitalDay(Date.parse("2026-03-29T02:00:00Z"), paris)).toBe("2026-03-29");
    });

    it("adds days across the ends of months, years and summer time", () => {
        expect(daysLater("2026-03-28", 1)).toBe("2026-03-29");
        expect(daysLater("2026-03-29", 1)).toBe("2026-03-30");
        expect(daysLater("2026-01-01", -1)).toBe("2025-12-31");
        expect(daysLater("2028-02-28", 1)).toBe("2028-02-29");
    });

    it("accepts real dates only", () => {
        expect(["2028-02-29", "2027-02-29", "2026-13-01", "26-1-1", ""].map(isDay)).toEqual([
            true,
            false,
            false,
            false,
            false,
        ]);
    });
});
