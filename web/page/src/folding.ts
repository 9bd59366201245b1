/** Folds a name as the search of the API does (`wire/search_words.py`), in a pure function. */

const APOSTROPHES =
    /[`\u00b4\u02b9\u02bb-\u02bf\u02c8\u055a\u05f3\u07f4\u07f5\u2018\u2019\u201b\u2032\ua78b\ua78c\uff07]/gu;
/** Letters that have no decomposition in Unicode, and forms of a letter that people do not tell apart. */
const SPELLINGS: Readonly<Record<string, string>> = {
    "\u0131": "i",
    "\u0237": "j",
    "\u03c2": "\u03c3",
    ß: "ss",
    æ: "ae",
    œ: "oe",
    ø: "o",
    ð: "d",
    đ: "d",
    ɖ: "d",
    ɗ: "d",
    þ: "th",
    ħ: "h",
    ł: "l",
    ŋ: "n",
    ŧ: "t",
    ƙ: "k",
    ƴ: "y",
    ɓ: "b",
    ɔ: "o",
    ɛ: "e",
    // Arabic: tatweel only makes a word longer. Alef, yeh, heh and kaf have several forms.
    "\u0640": "",
    "\u0671": "\u0627",
    "\u0649": "\u064a",
    "\u06cc": "\u064a",
    "\u0629": "\u0647",
    "\u06a9": "\u0643",
};

/**
 * Whether the mark stands on a letter, such as an accent: it has a combining class, so it changes places with one of the highest
 * class. The vowel signs of India have none, and stay.
 */
function isOnLetter(mark: string): boolean {
    const behind = `\u0345${mark}`;
    return mark === "\u0345" || behind.normalize("NFD") !== behind;
}

/** The name without what the search ignores: case, accents, vowel signs, forms of a letter, and signs between words. */
export function folded(name: string): string {
    const letters = name.replace(APOSTROPHES, "'").toLowerCase().normalize("NFKD").toLowerCase();
    return letters
        .replace(/\p{Mn}/gu, mark => (isOnLetter(mark) ? "" : mark))
        .replace(/./gsu, letter => SPELLINGS[letter] ?? letter)
        .replace(/['\p{Cf}]/gu, "")
        .replace(/[^\p{L}\p{M}\p{N}\p{So}]+/gu, " ")
        .trim();
}
