import { describe, expect, it } from "vitest";
import { isLongEnough, searchText, typedPerson } from "../src/search/text.js";

describe("the text of a search", () => {
    it.each(["2/5/1974", "02.05.1974", "2-5-1974", "1974-05-02"])("reads %s as a birth date", typed => {
        expect(searchText(`doe ${typed} `)).toBe("doe 1974-05-02");
    });

    it.each(["31/02/1974", "12.05", "P-017", "Doe, John", "José", "1974"])("leaves %s as it is", typed => {
        expect(searchText(typed)).toBe(typed);
    });

    it("has at most as many words as the API accepts", () => {
        expect(searchText(" a ".repeat(40)).split(" ")).toHaveLength(10);
    });

    it("is searched from three letters on, or from one Chinese character", () => {
        expect(["do", "doe", "A12", "\u738b"].map(isLongEnough)).toEqual([false, true, true, true]);
    });
});

describe("the person of a search", () => {
    it.each([
        ["Doe, John", "John", "Doe"],
        ["John Doe", "John", "Doe"],
        ["Anna Maria Doe", "Anna Maria", "Doe"],
        ["De la Cruz, Ana", "Ana", "De la Cruz"],
        ["Doe", "", "Doe"],
        ["P-017", "", ""],
    ])("in %s is %s %s", (typed, first_name, last_name) => {
        expect(typedPerson(typed)).toEqual({ first_name, last_name, birth_date: "" });
    });

    it("keeps the birth date", () => {
        expect(typedPerson("Doe 2/5/1974 John")).toEqual({
            first_name: "Doe",
            last_name: "John",
            birth_date: "1974-05-02",
        });
    });
});
