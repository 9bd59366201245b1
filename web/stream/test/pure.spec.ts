import { describe, expect, it } from "vitest";
import { backoff, readRetryAfter } from "../src/backoff.js";
import { readCursor, writeCursor } from "../src/cursor.js";
import { diagnose } from "../src/diagnosis.js";
import { readData } from "../src/events.js";
import { DEFAULT_LIMITS, type StreamLimits, withDefaults } from "../src/limits.js";
import { Position } from "../src/position.js";
import { readTabMessage } from "../src/tab_messages.js";
import { Vigil } from "../src/vigil.js";

const at = (text: string) => readCursor(text) ?? expect.fail(text);

describe("cursor", () => {
    it.each(["", "7afc", "7afc-01", "-3", "7afc-3 ", "a b-3", "7afc--3"])("%j is not a cursor", text => {
        expect(readCursor(text)).toBeUndefined();
    });

    it("is written as it was read", () => {
        expect(writeCursor(at("7afc3e36-13"))).toBe("7afc3e36-13");
    });
});

describe("limits", () => {
    it.each(Object.keys(DEFAULT_LIMITS) as (keyof StreamLimits)[])("%s accepts only a positive number", name => {
        expect(withDefaults({ [name]: 0.5 })[name]).toBe(0.5);
        for (const invalid of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
            expect(() => withDefaults({ [name]: invalid })).toThrow(name);
        }
    });
});

describe("backoff", () => {
    it("is random up to a limit that doubles until its maximum", () => {
        const limits = [1, 2, 3, 4, 5, 6, 7, 2000].map(failures => backoff(failures, DEFAULT_LIMITS, 1));

        expect(limits).toEqual([1, 2, 4, 8, 16, 30, 30, 30]);
        expect(backoff(4, DEFAULT_LIMITS, 0)).toBe(0);
        expect(backoff(4, DEFAULT_LIMITS, 0.5)).toBe(4);
    });
});

describe("Retry-After", () => {
    const noon = Date.parse("2026-03-02T12:00:00Z");

    it.each([
        ["5", 5],
        ["Mon, 02 Mar 2026 12:00:30 GMT", 30],
        ["Mon, 02 Mar 2026 11:00:00 GMT", 0],
        ["soon", undefined],
        ["-5", undefined],
        ["", undefined],
        [null, undefined],
    ])("%j is read as %j seconds", (header, seconds) => {
        expect(readRetryAfter(header, noon)).toBe(seconds);
    });
});

describe("diagnosis", () => {
    it.each([401, 403, 422])("%d is permanent", status => {
        expect(diagnose(status, "5", 0)).toEqual(status === 401 ? { kind: "signed_out" } : { kind: "refused", status });
    });

    it.each([200, 404, 408, 500, 502, 503, 504])("%d is temporary", status => {
        expect(diagnose(status, null, 0)).toEqual({ kind: "passing" });
    });

    it.each([429, 503])("%d with Retry-After sets the wait", status => {
        expect(diagnose(status, "9", 0)).toEqual({ kind: "wait", seconds: 9 });
    });
});

describe("event data", () => {
    const completed = {
        patient_id: 1,
        patient_name: "John Doe",
        message: "m",
        timestamp: "t",
        doctor_id: 7,
        doctor_name: "Dr. Smith",
        appointment_id: 3,
        consultation_id: "c",
    };

    it("is accepted with all guaranteed fields and more", () => {
        const text = JSON.stringify({ ...completed, more: 1 });

        expect(readData("consultation.completed", text)).toEqual({ ...completed, more: 1 });
    });

    it.each(Object.keys(completed))("is rejected without %s", field => {
        const incomplete = JSON.stringify({ ...completed, [field]: undefined });

        expect(readData("consultation.completed", incomplete)).toBeUndefined();
    });

    it.each(["", "3", "null", "[]", '"x"', "{"])("%j is rejected", text => {
        expect(readData("any.name", text)).toBeUndefined();
    });

    it("is accepted for a name that every object has", () => {
        expect(readData("constructor", "{}")).toEqual({});
    });
});

describe("position", () => {
    const claim = (after: string, id: string, stamp = 1) => ({ after: at(after), id: at(id), stamp });

    it("accepts the next claim once and detects a gap", () => {
        const position = new Position(at("e1-3"), 0);

        expect(position.take(claim("e1-3", "e1-5"))).toBe("take");
        expect(position.take(claim("e1-3", "e1-5"))).toBe("drop");
        expect(position.take(claim("e1-6", "e1-7"))).toBe("gap");
        expect(position.take(claim("e1-4", "e1-7"))).toBe("take");
        expect(position.place).toEqual(at("e1-7"));
    });

    it("starts at the first claim", () => {
        const position = new Position(undefined, 0);

        expect(position.take(claim("e1-8", "e1-9"))).toBe("take");
    });

    it("accepts another log only from a newer connection", () => {
        const position = new Position(at("e2-3"), 5);

        expect(position.take(claim("e1-90", "e1-91", 5))).toBe("gap");
        expect(position.take(claim("e3-1", "e3-2", 6))).toBe("lost");
    });

    it.each([
        ["before the reset", "e1-3", "e1-1", "take"],
        ["at the reset of another tab", "e1-9", "e1-1", "drop"],
        ["ahead of the log, and it asked", "e1-99", "e1-99", "take"],
        ["in another log", "e0-50", "e0-50", "take"],
    ])("%s: at %s, requested %s: %s", (_where, own, requested, verdict) => {
        const position = new Position(at(own), 0);

        expect(position.reset(at("e1-9"), at(requested), 1)).toBe(verdict);
        expect(position.place).toEqual(at("e1-9"));
    });
});

describe("tab message", () => {
    const place = { epoch: "e1", seq: 1 };

    it.each([null, 3, {}, { kind: "at" }, { kind: "other", stamp: 1 }, { kind: "ask", stamp: 1, from: "e1-1" }])(
        "%j is rejected",
        data => {
            expect(readTabMessage(data)).toBeUndefined();
        },
    );

    it("is accepted when complete", () => {
        expect(readTabMessage({ kind: "ask", stamp: 1, from: place })).toEqual({ kind: "ask", stamp: 1, from: place });
    });
});

describe("vigil", () => {
    /** The findings of each half heartbeat until the tab takes the leader's place. */
    const findings = (vigil: Vigil): string[] => {
        const list: string[] = [];
        for (let now = 7500; list.at(-1) !== "take its place"; now += 7500) list.push(vigil.check(now));
        return list;
    };

    it("asks after one heartbeat and takes its place after the watchdog's time", () => {
        const list = findings(new Vigil(DEFAULT_LIMITS, 0, 0));

        expect(list).toEqual(["well", "well", "ask", "ask", "ask", "take its place"]);
    });

    it("gives tabs different timeouts by chance", () => {
        expect(findings(new Vigil(DEFAULT_LIMITS, 0.99, 0))).toHaveLength(7);
    });

    it("gives a leader one more heartbeat after sleep", () => {
        const vigil = new Vigil(DEFAULT_LIMITS, 0, 0);

        expect(vigil.check(3_600_000)).toBe("ask");
        expect(vigil.check(3_600_000 + 16_000)).toBe("take its place");
    });
});
