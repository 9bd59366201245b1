/** The patients in the house in lanes by doctor or by room, in pure functions. */

import type { BoardItem } from "../api/client.js";
import { activeTime, isLongOver } from "../overdue.js";
import { LONG_WAIT } from "../worklist/row.js";

/** Where a patient is in a lane, in the order of the lane. */
export const PLACES = ["in_consultation", "reserved", "paused", "waiting", "between"] as const;
export type Place = (typeof PLACES)[number];
export type LaneBy = "doctor" | "room";

/** One patient in one lane. A patient who waits for two doctors is in two lanes. */
export interface LaneEntry {
    readonly item: BoardItem;
    readonly place: Place;
    readonly appointment: number | null;
    readonly consultation: string | null;
    readonly doctor: string;
    readonly doctorId: number;
    readonly prestation: string;
    /** When it began; null between two services. */
    readonly since: string | null;
    /** Of a patient who is checked in: the place in the doctor's list. */
    readonly turn: number | null;
    readonly running: BoardItem["consultations"][number] | null;
    /** Of a reserved patient: when the reservation ends. */
    readonly until: string | null;
    /** The other doctor who has this patient now. */
    readonly elsewhere: string | null;
}

export interface Lane {
    readonly key: string;
    /** The doctor or the room. Null: patients between two services, or doctors without a room. */
    readonly name: string | null;
    /** Of a lane by doctor. */
    readonly doctorId: number | null;
    /** The rooms of a doctor, or the doctors of a room. */
    readonly details: readonly string[];
    readonly isBetween: boolean;
    readonly entries: readonly LaneEntry[];
    readonly waiting: number;
    /** Since when the patient waits who waits longest. */
    readonly longestSince: string | null;
}

type At = Omit<BoardItem["checked_in"][number], "offer_until" | "place">;
type Placed = { at: At | null; entry: LaneEntry };

/** A patient who has not changed keeps these objects. Otherwise each change of one patient would draw the cards of all. */
const places = new WeakMap<BoardItem, readonly Placed[]>();

/** All places of one patient. */
function placesOf(item: BoardItem): readonly Placed[] {
    const known = places.get(item) ?? placed(item);
    places.set(item, known);
    return known;
}

function placed(item: BoardItem): readonly Placed[] {
    const holder = item.consultations.find(running => running.exclusive);
    const place = (at: At, kind: Place, more: Partial<LaneEntry>): Placed => ({
        at,
        entry: {
            item,
            place: kind,
            appointment: at.appointment_id,
            consultation: null,
            doctor: at.doctor,
            doctorId: at.doctor_id,
            prestation: at.prestation,
            since: at.since,
            turn: null,
            running: null,
            until: null,
            elsewhere: holder !== undefined && holder.appointment_id !== at.appointment_id ? holder.doctor : null,
            ...more,
        },
    });
    const inLine = new Map(item.waiting.map(turn => [turn.appointment_id, turn]));
    const running = item.consultations.map(one =>
        place({ ...one, since: one.started_at }, "in_consultation", {
            consultation: one.consultation_id,
            running: one,
        }),
    );
    const paused = item.paused.map(one =>
        place({ ...one, since: one.paused_at }, one.offer_until === null ? "paused" : "reserved", {
            consultation: one.consultation_id,
            until: one.offer_until,
        }),
    );
    const arrived = item.checked_in.map(one => {
        const until = one.offer_until ?? inLine.get(one.appointment_id)?.offer_until ?? null;
        return place(one, until === null ? "waiting" : "reserved", { until, turn: one.place });
    });
    const shown = new Set([...running, ...paused, ...arrived].map(({ entry }) => entry.appointment));
    const onlyInLine = item.waiting
        .filter(turn => !shown.has(turn.appointment_id))
        .map(turn => place(turn, turn.offer_until === null ? "waiting" : "reserved", { until: turn.offer_until }));
    const all = [...running, ...paused, ...arrived, ...onlyInLine];
    return all.length > 0 ? all : [between(item)];
}

function between(item: BoardItem): Placed {
    const nothing = { appointment: null, consultation: null, doctor: "", doctorId: 0, prestation: "", since: null };
    return {
        at: null,
        entry: { item, place: "between", ...nothing, turn: null, running: null, until: null, elsewhere: null },
    };
}

/** Whether a running consultation is so long over its expected time that it is marked as bad. */
export function isEntryLongOver({ item, running }: LaneEntry, now: number): boolean {
    return running !== null && isLongOver(running, running.exclusive && item.waiting.length > 0, now);
}

/** Whether the patient has waited long here, and no other doctor has the patient. */
export function isLongWait({ place, since, elsewhere }: LaneEntry, now: number): boolean {
    return place === "waiting" && elsewhere === null && since !== null && now - Date.parse(since) >= LONG_WAIT;
}

/** How long the patient has been at this place, in milliseconds. Pauses of a running consultation do not count. */
export function timeAtPlace({ running, since }: LaneEntry, now: number): number {
    if (running !== null) return activeTime(running, now);
    return since === null ? 0 : now - Date.parse(since);
}

/** How long a running consultation is over its time, in milliseconds. Null: it is not, or none runs here. */
export function timeOverdue({ running }: LaneEntry, now: number): number | null {
    const late = running === null ? -1 : now - Date.parse(running.overdue_at);
    return late < 0 ? null : late;
}

/** Lane's order: in consultation, reserved, paused, then who waits: in the order of the doctor's list, then who is only in line. */
function byPlace(one: LaneEntry, other: LaneEntry): number {
    const places = PLACES.indexOf(one.place) - PLACES.indexOf(other.place);
    const turns = (one.turn ?? Number.MAX_SAFE_INTEGER) - (other.turn ?? Number.MAX_SAFE_INTEGER);
    return (
        places ||
        (one.place === "waiting" ? turns : 0) ||
        Date.parse(one.since ?? "") - Date.parse(other.since ?? "") ||
        one.item.patient_id - other.item.patient_id
    );
}

/** The lanes by name. Patients between two services come last, and before them doctors without a room. */
export function lanesOf(items: readonly BoardItem[], by: LaneBy, locale: string): readonly Lane[] {
    const lanes = new Map<string, Placed[]>();
    for (const item of items) {
        for (const at of placesOf(item)) {
            const key = laneKey(at.at, by);
            const lane = lanes.get(key);
            if (lane === undefined) lanes.set(key, [at]);
            else lane.push(at);
        }
    }
    const order = new Intl.Collator(locale, { numeric: true });
    const rank = (lane: Lane): number => (lane.isBetween ? 2 : lane.name === null ? 1 : 0);
    return [...lanes]
        .map(([key, places]) => laneOf(key, places, by))
        .sort((one, other) => rank(one) - rank(other) || order.compare(one.name ?? "", other.name ?? ""));
}

function laneKey(at: At | null, by: LaneBy): string {
    if (at === null) return "between";
    return by === "doctor" ? `doctor ${at.doctor_id}` : `room ${at.room ?? ""}`;
}

function laneOf(key: string, places: readonly Placed[], by: LaneBy): Lane {
    const first = places[0]?.at ?? null;
    const details = places.map(({ at }) => (by === "doctor" ? at?.room : at?.doctor)).filter(name => !!name);
    const entries = places.map(({ entry }) => entry).sort(byPlace);
    const waiting = entries.filter(entry => entry.place === "waiting");
    return {
        key,
        name: by === "doctor" ? (first?.doctor ?? null) : (first?.room ?? null),
        doctorId: by === "doctor" ? (first?.doctor_id ?? null) : null,
        details: [...new Set(details)] as string[],
        isBetween: first === null,
        entries,
        waiting: waiting.length,
        longestSince: waiting.flatMap(entry => entry.since ?? []).sort()[0] ?? null,
    };
}

/** How many patients are in each state. A patient who is in two lanes with one state counts once. */
export function countPlaces(lanes: readonly Lane[]): Readonly<Record<Place, number>> {
    const patients = (place: Place): number =>
        new Set(
            lanes.flatMap(lane =>
                lane.entries.filter(entry => entry.place === place).map(entry => entry.item.patient_id),
            ),
        ).size;
    return Object.fromEntries(PLACES.map(place => [place, patients(place)])) as Record<Place, number>;
}

/** The lanes with only the patients in this state. A lane without any is left out. */
export function onlyPlace(lanes: readonly Lane[], place: Place): readonly Lane[] {
    return lanes
        .map(lane => ({ ...lane, entries: lane.entries.filter(entry => entry.place === place) }))
        .filter(lane => lane.entries.length > 0);
}
