import { describe, expect, it } from "vitest";
import type { BoardItem } from "../src/api/client.js";
import { changed, initials } from "../src/board/board.js";

const patient = (id: number, state: BoardItem["state"], since = "a"): BoardItem => ({
    patient_id: id,
    patient_name: "John Doe",
    family_name: "Doe",
    birth_date: "1974-05-02",
    record_number: null,
    ticket: null,
    state,
    consultations: [],
    paused: [],
    checked_in: [
        {
            appointment_id: id,
            doctor_id: 7,
            doctor: "Dr. Amrani",
            room: null,
            prestation: "Cardiology",
            since,
            place: 1,
            offer_until: null,
        },
    ],
    waiting: [],
});

describe("the board", () => {
    it.each([
        ["John Doe", "J. D."],
        ["Maria da Silva", "M. S."],
        ["élodie Müller-Öz", "É. M."],
        ["Pelé", "P."],
        ["  𝒜da   Lovelace ", "𝒜. L."],
    ])("shortens %s to %s", (name, short) => {
        expect(initials(name)).toBe(short);
    });

    it("shows only the first letters of a name", () => {
        expect(initials("John Doe")).not.toMatch(/ohn|oe/);
    });

    it("marks new and changed patients, and no one after the first read", () => {
        const before = [patient(1, "free"), patient(2, "free"), patient(3, "free")];
        const after = [patient(1, "free"), patient(2, "in_consultation"), patient(4, "free")];
        expect([...changed(before, after)]).toEqual([2, 4]);
        expect(changed(undefined, after).size).toBe(0);
        expect(changed(after, structuredClone(after)).size).toBe(0);
    });
});
