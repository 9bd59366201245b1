/** What a person typed into the search for a patient, in pure functions. The API folds letters and accents. */

import { isDay } from "../clock.js";

/** The search begins at so many letters. Enter searches for less too. */
const LETTERS = 3;
/** The longest text and the most words that the API accepts. */
const LONGEST = 200;
const WORDS = 10;

const DAY_FIRST = /^(\d{1,2})[./-](\d{1,2})[./-](\d{4})$/;

/** `1974-05-02` for `2/5/1974`, `02.05.1974` or `2-5-1974`: the day comes first, as hospitals outside of America write it. */
function asDate(word: string): string {
    const [, day = "", month = "", year = ""] = DAY_FIRST.exec(word) ?? [];
    const date = `${year}-${month.padStart(2, "0")}-${day.padStart(2, "0")}`;
    return isDay(date) ? date : word;
}

/** The text to search for. */
export function searchText(typed: string): string {
    const words = typed.slice(0, LONGEST).split(/\s+/u).filter(Boolean).slice(0, WORDS);
    return words.map(asDate).join(" ");
}

/** Whether the text is long enough to search while someone types. A Chinese name can have two letters. */
export function isLongEnough(text: string): boolean {
    return [...text].length >= LETTERS || /\p{Ideographic}/u.test(text);
}

export interface TypedPerson {
    readonly first_name: string;
    readonly last_name: string;
    readonly birth_date: string;
}

/** The names and the birth date of a new patient, as far as the text has them: `Doe, John` or `John Doe`. */
export function typedPerson(typed: string): TypedPerson {
    const words = searchText(typed).split(" ");
    const names = words.filter(word => !/\d/.test(word) && /\p{L}/u.test(word)).join(" ");
    const birth_date = words.find(isDay) ?? "";
    const [before = "", after] = names.split(/\s*,\s*/u);
    if (after) return { last_name: before, first_name: after, birth_date };
    const [last_name = "", ...first] = before.split(" ").reverse();
    return { last_name, first_name: first.reverse().join(" "), birth_date };
}
