import { describe, expect, it } from "vitest";
import { isTouched } from "../src/live.js";
import { offersAfter } from "../src/offers.js";
import { anAppointment, at, ME, NOON, OTHER } from "./appointments.js";

const rows = { items: [anAppointment()] };

describe("an event makes stale", () => {
    it.each<[string, readonly unknown[], unknown, string, object, ReturnType<typeof isTouched>]>([
        ["a row of its patient", ["worklist", {}], rows, "consultation.started", { patient_id: 123 }, "now"],
        ["no row of another patient", ["worklist", {}], rows, "consultation.started", { patient_id: 124 }, "no"],
        ["a list that may get a new row", ["worklist", {}], rows, "appointment.updated", { patient_id: 124 }, "soon"],
        [
            "no list of another doctor",
            ["worklist", { doctorId: ME }],
            rows,
            "appointment.updated",
            { patient_id: 124, doctor_id: OTHER },
            "no",
        ],
        [
            "the list of all doctors",
            ["worklist", { doctorId: null }],
            rows,
            "appointment.updated",
            { patient_id: 124, doctor_id: OTHER },
            "soon",
        ],
        ["a list that is being read", ["worklist", {}], undefined, "consultation.started", { patient_id: 124 }, "now"],
        ["the screen of the waiting room, always", ["wall"], { called: [] }, "patient.called", {}, "now"],
        ["the board, always", ["board"], { items: [] }, "patient.updated", { patient_id: 124 }, "now"],
        ["its patient's visit", ["visit", 123, "2026-03-02"], {}, "consultation.completed", { patient_id: 123 }, "now"],
        ["no other visit", ["visit", 124, "2026-03-02"], {}, "consultation.completed", { patient_id: 123 }, "no"],
        [
            "the survivor's visit under a retired id",
            ["visit", 124, "2026-03-02"],
            { patient_id: 123 },
            "consultation.completed",
            { patient_id: 123 },
            "now",
        ],
        [
            "no visit that is not read yet",
            ["visit", 124, "2026-03-02"],
            undefined,
            "doctor.left",
            { doctor_id: ME },
            "no",
        ],
        ["the board of a renamed doctor", ["board"], { items: [] }, "doctor.updated", { doctor_id: ME }, "soon"],
        ["lists of a renamed prestation", ["worklist", {}], rows, "prestation.updated", { prestation_id: 1 }, "soon"],
        ["a visit of a renamed doctor", ["visit", 124, "2026-03-02"], {}, "doctor.updated", { doctor_id: ME }, "soon"],
        ["not the session of a renamed doctor", ["session"], {}, "doctor.updated", { doctor_id: ME }, "no"],
        [
            "a row of a retired record",
            ["worklist", {}],
            rows,
            "patient.merged",
            { patient_id: 9, retired: [5, 123] },
            "now",
        ],
        [
            "the day of a retired record",
            ["visit", 123, ""],
            {},
            "patient.merged",
            { patient_id: 9, retired: [123] },
            "now",
        ],
        ["not the session", ["session"], {}, "appointment.updated", { patient_id: 123 }, "no"],
    ])("%s", (_what, key, shown, name, about, when) => {
        expect(isTouched(key, shown, name, about)).toBe(when);
    });
});

describe("the offers", () => {
    const available = (until: string | null) => ({
        name: "consultation.available",
        data: { appointment_id: 1, patient_id: 123, patient_name: "John Doe", doctor_id: ME, offer_until: until },
    });
    const mine = offersAfter([], available(at(1)), NOON);

    it("begin with the event and last until its offer_until", () => {
        expect(mine.map(offer => [offer.appointment_id, offer.until])).toEqual([[1, NOON + 60_000]]);
        expect(offersAfter([], available(at(-1)), NOON)).toEqual([]);
    });

    it("last a while when nothing is reserved", () => {
        expect(offersAfter([], available(null), NOON)[0]?.until).toBe(NOON + 30_000);
    });

    it("have only the newest for each patient", () => {
        expect(offersAfter(mine, available(at(5)), NOON).map(offer => offer.until)).toEqual([NOON + 300_000]);
    });

    it("end when any doctor starts, but not for an X-ray at the same time", () => {
        const started = { patient_id: 123, doctor_id: OTHER, exclusive: true };
        expect(offersAfter(mine, { name: "consultation.started", data: started }, NOON)).toEqual([]);
        expect(offersAfter(mine, { name: "consultation.reopened", data: started }, NOON)).toEqual([]);
        expect(offersAfter(mine, { name: "consultation.resumed", data: started }, NOON)).toEqual([]);
        expect(
            offersAfter(mine, { name: "consultation.started", data: { ...started, exclusive: false } }, NOON),
        ).toEqual(mine);
        expect(
            offersAfter(mine, { name: "consultation.started", data: { ...started, patient_id: 124 } }, NOON),
        ).toEqual(mine);
    });

    it("end when the doctor leaves the line, not when another does", () => {
        const left = { patient_id: 123, doctor_id: ME, why: "passed" };
        expect(offersAfter(mine, { name: "patient.updated", data: left }, NOON)).toEqual([]);
        expect(offersAfter(mine, { name: "patient.updated", data: { ...left, doctor_id: OTHER } }, NOON)).toEqual(mine);
        expect(offersAfter(mine, { name: "patient.updated", data: { patient_id: 123, doctor_id: ME } }, NOON)).toEqual(
            mine,
        );
    });
});
