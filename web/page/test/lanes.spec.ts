import { describe, expect, it } from "vitest";
import type { BoardItem } from "../src/api/client.js";
import { countPlaces, isLongWait, lanesOf, onlyPlace } from "../src/board/lanes.js";
import { at } from "./appointments.js";

const AMRANI = { doctor_id: 7, doctor: "Dr. Amrani", room: "4", prestation: "Cardiology" };
const SMITH = { doctor_id: 9, doctor: "Dr. Smith", room: null, prestation: "X-ray" };

function patient(id: number, more: Partial<BoardItem>): BoardItem {
    const identity = {
        patient_id: id,
        patient_name: `Patient ${id}`,
        family_name: null,
        birth_date: null,
        record_number: null,
        ticket: null,
    };
    return { ...identity, state: "free", consultations: [], paused: [], checked_in: [], waiting: [], ...more };
}
const running = (appointment_id: number, minutes: number) => ({
    ...AMRANI,
    appointment_id,
    consultation_id: `c${appointment_id}`,
    exclusive: true,
    started_at: at(minutes),
    overdue_at: at(minutes + 20),
    expected_minutes: 20,
    paused_seconds: 0,
});
const arrived = (doctor: typeof AMRANI | typeof SMITH, appointment_id: number, minutes: number) => ({
    ...doctor,
    appointment_id,
    since: at(minutes),
    place: 1,
    offer_until: null as string | null,
});
const inLine = (doctor: typeof AMRANI | typeof SMITH, appointment_id: number, minutes: number, offer?: number) => ({
    ...doctor,
    appointment_id,
    since: at(minutes),
    position: 1,
    offer_until: offer === undefined ? null : at(offer),
});

const HOUSE = [
    patient(1, { consultations: [running(11, -5)], checked_in: [arrived(SMITH, 12, -40)] }),
    patient(2, { checked_in: [{ ...arrived(AMRANI, 21, -10), place: 1 }] }),
    patient(3, { checked_in: [{ ...arrived(AMRANI, 31, -30), place: 2 }] }),
    patient(4, { checked_in: [arrived(AMRANI, 41, -2)], waiting: [inLine(AMRANI, 41, -1, 2)] }),
    patient(5, {}),
    patient(6, { waiting: [inLine(SMITH, 61, -3)] }),
    patient(7, { paused: [{ ...running(71, -50), paused_at: at(-20), offer_until: null }] }),
];

describe("the lanes of the board", () => {
    it("mark long waits, but not of a patient whom another doctor has", () => {
        const long = lanesOf(HOUSE, "doctor", "en").flatMap(({ entries }) =>
            entries.filter(entry => isLongWait(entry, Date.parse(at(0)))).map(entry => entry.item.patient_id),
        );
        expect(long).toEqual([3]);
    });

    it("hold each doctor's patients: in consultation, reserved, paused, then in the order of the list", () => {
        const [amrani] = lanesOf(HOUSE, "doctor", "en");
        expect(amrani?.name).toBe("Dr. Amrani");
        expect(amrani?.details).toEqual(["4"]);
        expect(amrani?.entries.map(entry => [entry.item.patient_id, entry.place])).toEqual([
            [1, "in_consultation"],
            [4, "reserved"],
            [7, "paused"],
            [2, "waiting"],
            [3, "waiting"],
        ]);
        expect([amrani?.waiting, amrani?.longestSince]).toEqual([2, at(-30)]);
    });

    it("keep the entries of patients who have not changed", () => {
        const entries = (items: readonly BoardItem[]) => lanesOf(items, "doctor", "en").flatMap(lane => lane.entries);
        const before = new Set(entries(HOUSE));
        const after = entries(HOUSE.map(item => (item.patient_id === 2 ? { ...item } : item)));
        expect(after.filter(entry => !before.has(entry)).map(entry => entry.item.patient_id)).toEqual([2]);
    });

    it("show who waits for one doctor while another has the patient", () => {
        const smith = lanesOf(HOUSE, "doctor", "en")[1];
        expect(smith?.entries.map(entry => [entry.item.patient_id, entry.elsewhere])).toEqual([
            [1, "Dr. Amrani"],
            [6, null],
        ]);
    });

    it("keep a patient between two services, in the last lane", () => {
        const lanes = lanesOf(HOUSE, "doctor", "en");
        expect(lanes.map(lane => lane.isBetween)).toEqual([false, false, true]);
        expect(lanes.at(-1)?.entries.map(entry => [entry.item.patient_id, entry.place])).toEqual([[5, "between"]]);
    });

    it("show a called patient as reserved", () => {
        const called = { ...arrived(AMRANI, 81, -4), offer_until: at(1) };
        const [lane] = lanesOf([patient(8, { checked_in: [called] })], "doctor", "en");
        expect(lane?.entries.map(entry => [entry.place, entry.until])).toEqual([["reserved", at(1)]]);
    });

    it("count each patient once in a state, and show one state alone", () => {
        const lanes = lanesOf(
            [...HOUSE, patient(9, { checked_in: [arrived(AMRANI, 91, 0), arrived(SMITH, 92, 0)] })],
            "doctor",
            "en",
        );
        expect(countPlaces(lanes)).toEqual({ in_consultation: 1, reserved: 1, paused: 1, waiting: 5, between: 1 });
        expect(onlyPlace(lanes, "paused").map(lane => lane.entries.map(entry => entry.item.patient_id))).toEqual([[7]]);
    });

    it("are by room too, and doctors without a room share one", () => {
        const lanes = lanesOf(HOUSE, "room", "en");
        expect(lanes.map(lane => [lane.name, lane.details])).toEqual([
            ["4", ["Dr. Amrani"]],
            [null, ["Dr. Smith"]],
            [null, []],
        ]);
    });
});
