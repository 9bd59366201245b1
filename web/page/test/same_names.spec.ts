import { describe, expect, it } from "vitest";
import { effectScope, ref } from "vue";
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

    it("are not one patient with two rows", () => {
        expect(isShared(maria, idsByName([maria, maria]))).toBe(false);
        expect(isShared({ patient_name: "Maria Santos" }, idsByName([maria]))).toBe(false);
        expect(isShared({ patient_name: "Maria Santos" }, idsByName([maria, other]))).toBe(true);
    });
});
