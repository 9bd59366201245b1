import { describe, expect, it } from "vitest";
import { type Figures, figuresOf, waitBars, writtenFigure } from "../src/report/figures.js";

const NOTHING: Figures = {
    seen: 0,
    waiting_p50_minutes: null,
    waiting_p90_minutes: null,
    consultation_p50_minutes: null,
    overdue: 0,
    refused_starts: 0,
    released: 0,
    timed_out: 0,
    no_shows: 0,
    left: 0,
    waits: [],
};
const waits = (...counts: number[]) => counts.map((count, index) => ({ from_minutes: index * 15, count }));

describe("a figure of the report", () => {
    it("is written in the language, with one decimal", () => {
        const figures = { ...NOTHING, seen: 1234, waiting_p50_minutes: 12.5, waiting_p90_minutes: 40 };
        expect(writtenFigure(figures, "waiting_p50_minutes", "fr")).toBe("12,5");
        expect(writtenFigure(figures, "waiting_p90_minutes", "en")).toBe("40");
        expect(writtenFigure(figures, "seen", "en")).toBe("1,234");
    });

    it("is a dash when nothing was measured, and 0 when nothing was counted", () => {
        expect(writtenFigure(NOTHING, "consultation_p50_minutes", "en")).toBe("–");
        expect(writtenFigure(NOTHING, "left", "en")).toBe("0");
    });
});

describe("the bars of the waits", () => {
    it("end where the next one begins, and the last one has no end", () => {
        expect(waitBars(waits(1, 0, 2)).map(bar => [bar.from, bar.to])).toEqual([
            [0, 15],
            [15, 30],
            [30, undefined],
        ]);
    });

    it("are as high as their share of the highest one", () => {
        expect(waitBars(waits(1, 4, 0)).map(bar => bar.share)).toEqual([0.25, 1, 0]);
    });

    it("have no height on a day without waits", () => {
        expect(waitBars(waits(0, 0)).map(bar => bar.share)).toEqual([0, 0]);
    });
});

describe("the chosen figures", () => {
    const report = {
        date: "2026-03-02",
        total: { ...NOTHING, seen: 3 },
        doctors: [{ ...NOTHING, seen: 2, doctor_id: 7, doctor: "Dr. Weber" }],
    };

    it("are those of one doctor", () => {
        expect(figuresOf(report, 7).seen).toBe(2);
    });

    it("are those of all when no doctor is chosen, or the doctor has none on this day", () => {
        expect(figuresOf(report, undefined).seen).toBe(3);
        expect(figuresOf(report, 8).seen).toBe(3);
    });
});
