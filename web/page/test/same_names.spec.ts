import { describe, expect, it } from "vitest";
import { effectScope, ref, watchEffect } from "vue";
import { hasSameName, idsByName, isShared, showNames } from "../src/same_names.js";

const maria = { patient_id: 1, patient_name: "Maria Santos" };
const other = { patient_id: 2, patient_name: "maria santos" };

describe("two patients of one name", () => {
    it("are found in any case, also across lists", () => {
        const page = effectScope();
        const search = effectScope();
        page.run(() => showNames(ref([maria])));
        expect(hasSameName(maria)).toBe(false);
        // A notice about a patient who is on no list.
        expect(hasSameName(other)).toBe(true);

        search.run(() => showNames(ref([other])));
        expect([maria, other].map(hasSameName)).toEqual([true, true]);

        search.stop();
        expect(hasSameName(maria)).toBe(false);
        page.stop();
    });

    it("are not looked for again when a list comes again with the same patients", () => {
        const page = effectScope();
        const list = ref([maria]);
        let drawn = 0;
        page.run(() => {
            showNames(list);
            watchEffect(() => (drawn += hasSameName(other) ? 1 : 0), { flush: "sync" });
        });
        list.value = [{ ...maria }];
        expect(drawn).toBe(1);
        list.value = [maria, { patient_id: 3, patient_name: "Maria Santos" }];
        expect(drawn).toBe(2);
        page.stop();
    });

    it.each([
        ["José Núñez", "Jose Nunez"],
        ["Bénédicte Straße", "BENEDICTE STRASSE"],
        ["Soren Aero", "Søren Ærø"],
        ["Ibrahim Isik", "İbrahim Işık"],
        ["O’Grady Anna", "O'Grady Anna"],
        ["Jean-Pierre Roy", "Jean Pierre Roy"],
        ["\u0645\u062d\u0645\u062f", "\u0645\u064f\u062d\u064e\u0645\u0651\u064e\u062f"],
    ])("are found as the search finds them: %s and %s", (one, another) => {
        const ids = idsByName([{ patient_id: 1, patient_name: one }]);
        expect(isShared({ patient_id: 2, patient_name: another }, ids)).toBe(true);
    });

    it("are two names with other vowel signs of India", () => {
        const ids = idsByName([{ patient_id: 1, patient_name: "\u0930\u0941\u092a\u093e" }]);
        expect(isShared({ patient_id: 2, patient_name: "\u0930\u093e\u092a\u093e" }, ids)).toBe(false);
    });

    it("are not one patient with two rows", () => {
        expect(isShared(maria, idsByName([maria, maria]))).toBe(false);
        expect(isShared({ patient_name: "Maria Santos" }, idsByName([maria]))).toBe(false);
        expect(isShared({ patient_name: "Maria Santos" }, idsByName([maria, other]))).toBe(true);
    });
});
