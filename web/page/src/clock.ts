/** The hospital's time, from the server's clock, and the formats of times. */

import { type Ref, ref } from "vue";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** Milliseconds since 1970 by the server's clock, updated each second. The clock of a workstation may be minutes off. */
export const now: Ref<number> = ref(Date.now());
let ahead = 0;

/** Sets the clock from the `Date` header of an answer. It has whole seconds, so small differences are ignored. */
export function heardFromServer(date: string | null, at: number = Date.now()): void {
    const server = date === null ? Number.NaN : Date.parse(date);
    if (Number.isNaN(server)) return;
    const difference = server - at;
    if (Math.abs(difference - ahead) > 2 * SECOND) ahead = difference;
}

/** Converts a time of the workstation's clock to the server's. */
export function byServer(at: number): number {
    return at + ahead;
}

export function tick(): void {
    now.value = Date.now() + ahead;
}

/** Starts the clock. Returns a function that stops it. */
export function startClock(): () => void {
    tick();
    const timer = setInterval(tick, SECOND);
    return () => clearInterval(timer);
}

/** Days come before months, in English too, as hospitals outside of America write them. */
const FORMAT: Readonly<Record<string, string>> = { en: "en-GB", fr: "fr-FR" };

/** `14 min` or `1 h 05 min`, which no line end divides. Less than a minute is `0 min`, and so is a negative duration. */
export function inMinutes(milliseconds: number): string {
    const minutes = Math.max(0, Math.floor(milliseconds / MINUTE));
    if (minutes < 60) return `${minutes}\u00a0min`;
    return `${Math.floor(minutes / 60)}\u00a0h\u00a0${String(minutes % 60).padStart(2, "0")}\u00a0min`;
}

/** `14:05` or `1:02:09`, for durations that change each second. */
export function ticking(milliseconds: number): string {
    const seconds = Math.max(0, Math.floor(milliseconds / SECOND));
    const hours = Math.floor(milliseconds / HOUR);
    const minutes = Math.floor(seconds / 60) % 60;
    const rest = String(seconds % 60).padStart(2, "0");
    return hours > 0 ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

/** `09:30` in the hospital's zone. */
export function timeOfDay(at: string | number, zone: string, locale: string): string {
    const written = new Intl.DateTimeFormat(FORMAT[locale], {
        hour: "2-digit",
        minute: "2-digit",
        hourCycle: "h23",
        timeZone: zone,
    });
    return written.format(new Date(at));
}

/** `Wednesday 25 November` for a local date. */
export function longDay(date: string, locale: string): string {
    const written = new Intl.DateTimeFormat(FORMAT[locale], {
        weekday: "long",
        day: "numeric",
        month: "long",
        timeZone: "UTC",
    });
    return written.format(new Date(`${date}T00:00:00Z`));
}

/** `3 Feb 1980`, `Feb 1980` or `1980`: a date of which only the month or the year may be known. */
export function partialDate(date: string, locale: string): string {
    const [year = "", month, day] = date.split("-");
    if (month === undefined) return year;
    const written = new Intl.DateTimeFormat(FORMAT[locale], {
        ...(day === undefined ? {} : { day: "numeric" }),
        month: "short",
        year: "numeric",
        timeZone: "UTC",
    });
    return written.format(new Date(`${year}-${month}-${day ?? "01"}T00:00:00Z`));
}

/** What the session says about the hospital's days. `day_starts` is a local time, as `04:00`. */
export interface HospitalClock {
    timezone: string;
    day_starts: string;
}

/** The hospital day at this moment, as `2026-11-25`. Until the day starts, the night belongs to the day before. */
export function hospitalDay(at: number, { timezone, day_starts }: HospitalClock): string {
    const date = new Intl.DateTimeFormat("en-CA", { timeZone: timezone, dateStyle: "short" }).format(new Date(at));
    return timeOfDay(at, timezone, "en") < day_starts ? daysLater(date, -1) : date;
}

/** The date that many days later, calculated in UTC, so that no time zone changes it. */
export function daysLater(date: string, days: number): string {
    const at = new Date(`${date}T00:00:00Z`);
    at.setUTCDate(at.getUTCDate() + days);
    return at.toISOString().slice(0, 10);
}

/** Whether the text is a real date, as `2026-11-25`. */
export function isDay(text: string): boolean {
    if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false;
    const at = Date.parse(`${text}T00:00:00Z`);
    return !Number.isNaN(at) && new Date(at).toISOString().startsWith(text);
}
