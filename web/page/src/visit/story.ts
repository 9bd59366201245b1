/** A patient's day as bars and marks in time, from the timeline, in pure functions. */

import type { TimelineEntry, Visit } from "../api/client.js";

export type BarKind = "checked_in" | "consultation" | "in_line";

export interface Bar {
    readonly kind: BarKind;
    readonly from: number;
    readonly to: number;
    /** Not ended yet. */
    readonly open: boolean;
    readonly entry: TimelineEntry;
}

export interface Mark {
    readonly kind: string;
    readonly at: number;
    readonly entry: TimelineEntry;
}

/** The bars and marks of one doctor. */
export interface Lane {
    readonly doctor: string;
    readonly bars: readonly Bar[];
    readonly marks: readonly Mark[];
}

export interface Story {
    readonly lanes: readonly Lane[];
    readonly from: number;
    readonly to: number;
}

const BEGINS: Readonly<Record<string, BarKind>> = {
    checked_in: "checked_in",
    started: "consultation",
    reopened: "consultation",
    resumed: "consultation",
    waiting: "in_line",
};
const ENDS: Readonly<Record<BarKind, readonly string[]>> = {
    checked_in: ["started", "left"],
    consultation: ["completed", "paused"],
    in_line: ["left_line"],
};
const KINDS = [...new Set(Object.values(BEGINS))];
const MARKS = new Set([
    "refused",
    "overdue",
    "extended",
    "offered",
    "offer_withdrawn",
    "adopted",
    "carried_over",
    "grace",
    "reservation_ended",
    "transferred",
    "called",
    "no_answer",
    "found",
    "moved_down",
    "status",
    "changed",
]);
/** The minimum width of the picture, in milliseconds, for a day with one entry. */
const NARROWEST = 10 * 60_000;

/** The closing entry of each opening entry: the first one for the same consultation, appointment or doctor. */
export type Ends = ReadonlyMap<TimelineEntry, TimelineEntry>;

export function endsOf(timeline: readonly TimelineEntry[]): Ends {
    const ends = new Map<TimelineEntry, TimelineEntry>();
    const open = new Map<string, TimelineEntry>();
    for (const entry of timeline) {
        for (const kind of KINDS) {
            const name = `${kind} ${subject(kind, entry)}`;
            const begun = open.get(name);
            if (begun !== undefined && ENDS[kind].includes(entry.event)) {
                ends.set(begun, entry);
                open.delete(name);
            }
            if (BEGINS[entry.event] === kind) open.set(name, entry);
        }
    }
    return ends;
}

function subject(kind: BarKind, entry: TimelineEntry): string | number | null {
    if (kind === "consultation") return entry.consultation_id;
    return kind === "checked_in" ? entry.appointment_id : entry.doctor_id;
}

/** The duration from an opening entry to its end or until now, in milliseconds. Undefined for an entry that opens nothing. */
export function lasted(entry: TimelineEntry, ends: Ends, now: number): number | undefined {
    if (BEGINS[entry.event] === undefined) return undefined;
    const end = ends.get(entry);
    return Math.max(0, (end === undefined ? now : Date.parse(end.at)) - Date.parse(entry.at));
}

export function storyOf({ timeline }: Pick<Visit, "timeline">, ends: Ends, now: number, isToday: boolean): Story {
    const lanes = new Map<string, { bars: Bar[]; marks: Mark[] }>();
    const doctorOf = doctors(timeline);
    const last = timeline.reduce((latest, entry) => Math.max(latest, Date.parse(entry.at)), 0);
    const until = isToday ? now : last;
    for (const entry of timeline) {
        const at = Date.parse(entry.at);
        const kind = BEGINS[entry.event];
        if (kind === undefined && !MARKS.has(entry.event)) continue;
        const doctor = doctorOf(entry);
        const lane = lanes.get(doctor) ?? { bars: [], marks: [] };
        lanes.set(doctor, lane);
        if (kind === undefined) {
            lane.marks.push({ kind: entry.event, at, entry });
            continue;
        }
        const end = ends.get(entry);
        lane.bars.push({
            kind,
            from: at,
            to: Math.max(at, end === undefined ? until : Date.parse(end.at)),
            open: end === undefined,
            entry,
        });
    }
    const from = timeline[0] === undefined ? now : Date.parse(timeline[0].at);
    const to = Math.max(from + NARROWEST, last, ...[...lanes.values()].flatMap(lane => lane.bars.map(bar => bar.to)));
    return { lanes: [...lanes].map(([doctor, lane]) => ({ doctor, ...lane })), from, to };
}

/** An entry without a doctor belongs to the doctor of its appointment. */
function doctors(timeline: readonly TimelineEntry[]): (entry: TimelineEntry) => string {
    const known = new Map(
        timeline.flatMap(entry => (entry.doctor && entry.appointment_id ? [[entry.appointment_id, entry.doctor]] : [])),
    );
    return entry => entry.doctor ?? known.get(entry.appointment_id ?? 0) ?? "–";
}

/** At most eight ticks between two times, at full hours, half hours, quarter hours, ... */
export function ticksOf(from: number, to: number): readonly number[] {
    const steps = [1, 5, 10, 15, 30, 60, 120, 240, 480].map(minutes => minutes * 60_000);
    const step = steps.find(one => (to - from) / one <= 8) ?? 1_440 * 60_000;
    const ticks: number[] = [];
    for (let at = Math.ceil(from / step) * step; at <= to; at += step) ticks.push(at);
    return ticks;
}
