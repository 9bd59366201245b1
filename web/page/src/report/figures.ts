/** The figures of a day's report: their order, how they are written, and the bars of the waits. */

import type { DayReport, DoctorFigures } from "../api/client.js";

/** Minutes, which are unknown when nothing was measured. */
export const DURATIONS = ["waiting_p50_minutes", "waiting_p90_minutes", "consultation_p50_minutes"] as const;
export const COUNTS = ["overdue", "refused_starts", "released", "timed_out", "no_shows", "left"] as const;
/** In the order of the CSV. */
export const FIGURES = ["seen", ...DURATIONS, ...COUNTS] as const;

export type Figures = DayReport["total"];
export type FigureName = (typeof FIGURES)[number];

const UNKNOWN = "–";

export function isDuration(name: FigureName): boolean {
    return DURATIONS.some(duration => duration === name);
}

/** A number of the report in the language, with one decimal at most. An unknown duration is a dash. */
export function writtenFigure(figures: Figures, name: FigureName, locale: string): string {
    const value = figures[name];
    if (value === null) return UNKNOWN;
    return new Intl.NumberFormat(locale, { maximumFractionDigits: 1 }).format(value);
}

/** The figures of one doctor, or of all doctors. A doctor may be missing on another day. */
export function figuresOf(report: DayReport, doctorId: number | undefined): Figures {
    return report.doctors.find((doctor: DoctorFigures) => doctor.doctor_id === doctorId) ?? report.total;
}

/** One bar: how many patients waited from `from` to `to` minutes. The last bar has no end. */
export interface WaitBar {
    readonly from: number;
    readonly to: number | undefined;
    readonly count: number;
    /** The height, from 0 to 1. The highest bar has 1. */
    readonly share: number;
}

export function waitBars(waits: Figures["waits"]): readonly WaitBar[] {
    const highest = Math.max(1, ...waits.map(step => step.count));
    return waits.map((step, index) => ({
        from: step.from_minutes,
        to: waits[index + 1]?.from_minutes,
        count: step.count,
        share: step.count / highest,
    }));
}
