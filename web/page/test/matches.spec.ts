import { describe, expect, it } from "vitest";
import { type Answer, enterOf, expectedOf, firstActOf, isExact, type Match, matchesOf } from "../src/search/matches.js";
import { anAppointment, at } from "./appointments.js";

const patient = (id: number, record_number: string | null = null) => ({
    id,
    first_name: "John",
    last_name: "Doe",
    birth_date: "1974-05-02",
    record_number,
});

function answerTo(text: string, numbers: readonly string[], more = false): Answer {
    const patients = numbers.map((number, index) => patient(index + 1, number));
    return { text, matches: matchesOf(text, patients, []), more };
}

const numberOf = (meaning: unknown): unknown => (meaning as Match).record_number ?? meaning;

describe("the patients of a search", () => {
    it("have their own appointments of today, the earliest first", () => {
        const items = [
            anAppointment({ appointment_id: 1, patient_id: 5, scheduled_at: at(60) }),
            anAppointment({ appointment_id: 2, patient_id: 6 }),
            anAppointment({ appointment_id: 3, patient_id: 5, scheduled_at: at(-60) }),
        ];

        const matches = matchesOf("doe", [patient(5), patient(7)], items);

        expect(matches.map(match => match.appointments.map(item => item.appointment_id))).toEqual([[3, 1], []]);
    });

    it("begin with the patient who has exactly this number", () => {
        const matches = matchesOf("p017", [patient(1, "P-0170"), patient(2, "P-017")], []);

        expect(matches.map(match => match.record_number)).toEqual(["P-017", "P-0170"]);
    });

    it("are known by the ticket of today too", () => {
        const [match] = matchesOf("a12", [patient(1)], [anAppointment({ patient_id: 1, ticket: "A12" })]);

        expect(match !== undefined && isExact(match, "a12") && !isExact(match, "a1")).toBe(true);
    });
});

describe("Enter", () => {
    it("means the marked patient of an answer that the user has seen", () => {
        const answer = answerTo("doe", ["P-1", "P-2"]);

        expect([0, 1].map(chosen => numberOf(enterOf(answer, chosen, false)))).toEqual(["P-1", "P-2"]);
        expect(enterOf(answer, 2, false)).toBe("new_walk_in");
    });

    it("after a scan means the patient with exactly this number", () => {
        expect(numberOf(enterOf(answerTo("4711", ["47110", "4711", "47112"]), 0, true))).toBe("4711");
    });

    it("after a scan asks when several patients or only half a number match", () => {
        expect(enterOf(answerTo("4711", ["47110", "47112"]), 0, true)).toBe("choose");
        expect(enterOf(answerTo("4711", ["47110"]), 0, true)).toBe("choose");
        expect(enterOf(answerTo("4711", ["4711", "47-11"]), 0, true)).toBe("choose");
    });

    it("before the answer means a patient whose name is the only match", () => {
        expect(numberOf(enterOf(answerTo("doe", ["P-1"]), 0, true))).toBe("P-1");
        expect(enterOf(answerTo("doe", ["P-1"], true), 0, true)).toBe("choose");
        expect(enterOf(answerTo("doe", ["P-1", "P-2"]), 0, true)).toBe("choose");
    });

    it("before the answer opens no walk-in for an unknown number", () => {
        expect(enterOf(answerTo("4711", []), 0, true)).toBe("nothing");
        expect(enterOf(answerTo("4711", []), 0, false)).toBe("new_walk_in");
    });
});

describe("the first act of the desk", () => {
    const withStatus = (...statuses: ("confirmed" | "pending" | "done")[]): Match => ({
        patient_id: 1,
        patient_name: "John Doe",
        appointments: statuses.map((status, index) => anAppointment({ appointment_id: index, status })),
    });

    it("checks in, or says that the patient is here, or opens a walk-in", () => {
        expect(firstActOf(withStatus("pending", "confirmed"))).toBe("check_in");
        expect(firstActOf(withStatus("pending", "done"))).toBe("arrived");
        expect(firstActOf(withStatus("done"))).toBe("walk_in");
        expect(firstActOf(withStatus())).toBe("walk_in");
    });

    it("is about the appointments that have not begun", () => {
        expect(expectedOf(withStatus("done", "confirmed")).map(item => item.appointment_id)).toEqual([1]);
    });
});
