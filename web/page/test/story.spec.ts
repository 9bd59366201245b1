import { describe, expect, it } from "vitest";
import type { TimelineEntry } from "../src/api/client.js";
import en from "../src/messages/en.json";
import fr from "../src/messages/fr.json";
import { endsOf, lasted, storyOf, ticksOf } from "../src/visit/story.js";
import { at, NOON } from "./appointments.js";

const entry = (minutes: number, event: string, more: Partial<TimelineEntry> = {}): TimelineEntry => ({
    at: at(minutes),
    event,
    doctor_id: 7,
    doctor: "Dr. Amrani",
    appointment_id: 1,
    prestation: "Cardiology",
    consultation_id: null,
    ...more,
});
const okafor = { doctor_id: 8, doctor: "Dr. Okafor", appointment_id: 2 };

const DAY = [
    entry(0, "checked_in"),
    entry(10, "started", { consultation_id: "c" }),
    entry(12, "refused", okafor),
    entry(12, "waiting", okafor),
    entry(30, "overdue", { consultation_id: "c" }),
    entry(45, "completed", { consultation_id: "c" }),
    entry(46, "left_line", okafor),
    entry(46, "started", { ...okafor, consultation_id: "d" }),
];
const story = (timeline: TimelineEntry[], now: number, isToday: boolean) =>
    storyOf({ timeline }, endsOf(timeline), now, isToday);
const later = NOON + 60 * 60_000;

describe("the story of a day", () => {
    it("has a lane for each doctor, bars for durations and marks for moments", () => {
        const { lanes, from, to } = story(DAY, later, true);
        expect(lanes.map(lane => lane.doctor)).toEqual(["Dr. Amrani", "Dr. Okafor"]);
        expect(
            lanes[0]?.bars.map(bar => [bar.kind, (bar.from - NOON) / 60_000, (bar.to - NOON) / 60_000, bar.open]),
        ).toEqual([
            ["checked_in", 0, 10, false],
            ["consultation", 10, 45, false],
        ]);
        expect(lanes[1]?.bars.map(bar => [bar.kind, (bar.to - NOON) / 60_000, bar.open])).toEqual([
            ["in_line", 46, false],
            ["consultation", 60, true],
        ]);
        expect(lanes.map(lane => lane.marks.map(mark => mark.kind))).toEqual([["overdue"], ["refused"]]);
        expect([from, to]).toEqual([NOON, later]);
    });

    it("ends an open bar of a past day at the day's last entry", () => {
        expect(story(DAY, later, false).lanes[1]?.bars[1]?.to).toBe(NOON + 46 * 60_000);
    });

    it("shows a patient who left unseen at the doctor of the appointment", () => {
        const left = entry(20, "left", { doctor_id: null, doctor: null });
        const [lane] = story([entry(0, "checked_in"), left], later, true).lanes;
        expect([lane?.doctor, lane?.bars[0]?.to]).toEqual(["Dr. Amrani", NOON + 20 * 60_000]);
    });

    it("has the words and the mark of an entry that only version 0.1.0 wrote", () => {
        const [lane] = story([entry(0, "checked_in"), entry(5, "adopted")], later, true).lanes;
        expect(lane?.marks.map(mark => mark.kind)).toEqual(["adopted"]);
        expect([en.event.names.adopted, fr.event.names.adopted]).toEqual(["Taken over", "Reprise"]);
    });

    it("has some width for a day with one entry", () => {
        const { from, to } = story([entry(0, "checked_in")], NOON, true);
        expect(to - from).toBeGreaterThan(0);
    });

    it("calculates the durations", () => {
        expect(DAY.map(entry => lasted(entry, endsOf(DAY), later))).toEqual([
            10 * 60_000,
            35 * 60_000,
            undefined,
            34 * 60_000,
            undefined,
            undefined,
            undefined,
            14 * 60_000,
        ]);
    });

    it("marks at most eight moments, at full steps", () => {
        for (const hours of [0.1, 0.5, 1, 3, 9, 24]) {
            const ticks = ticksOf(NOON + 1, NOON + hours * 3_600_000);
            expect(ticks.length).toBeLessThanOrEqual(8);
            expect(ticks.every(tick => tick % 60_000 === 0)).toBe(true);
        }
        expect(ticksOf(NOON, NOON + 3_600_000)).toContain(NOON + 1_800_000);
    });
});
