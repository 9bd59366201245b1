import { describe, expect, it } from "vitest";
import en from "../src/messages/en.json";
import fr from "../src/messages/fr.json";

type Catalogue = { readonly [key: string]: string | Catalogue };

function flat(catalogue: Catalogue, before = ""): Map<string, string> {
    return new Map(
        Object.entries(catalogue).flatMap(([key, value]) =>
            typeof value === "string" ? [[before + key, value] as const] : [...flat(value, `${before}${key}.`)],
        ),
    );
}

const english = flat(en);
const french = flat(fr);
const source = Object.entries(
    import.meta.glob<string>("../src/**/*.{vue,ts}", { query: "?raw", import: "default", eager: true }),
);
/** Plural forms of one language: English has 1st, 2nd and 3rd, French has a form for millions. */
const OWN = /^row\.place\.(two|few|many)$/;
const names = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map(found => found[1] ?? "").sort();

describe("the two catalogues", () => {
    it("have the same keys", () => {
        const without = (keys: Iterable<string>) => [...keys].filter(key => !OWN.test(key)).sort();
        expect(without(french.keys())).toEqual(without(english.keys()));
    });

    it("fill in the same values", () => {
        const differing = [...english].filter(([key, text]) => {
            const other = french.get(key);
            return other !== undefined && String([...new Set(names(text))]) !== String([...new Set(names(other))]);
        });
        expect(differing).toEqual([]);
    });

    it("have all shown words: no template contains text", () => {
        const found = source.flatMap(([name, text]) => {
            const template = /<template>([\s\S]*)<\/template>/.exec(text)?.[1] ?? "";
            const shown = template.replace(/\{\{[\s\S]*?\}\}/g, "").replace(/<(?:"[^"]*"|'[^']*'|[^>"'])*>/g, " ");
            return /\p{L}{2,}/u.test(shown) ? [`${name}: ${shown.trim()}`] : [];
        });
        expect(found).toEqual([]);
    });

    it("have every key that the source names", () => {
        const asked = source.flatMap(([, text]) =>
            [...text.matchAll(/\bt\(\s*["']([\w.]+)["']/g)].map(found => found[1] ?? ""),
        );
        expect(asked.length).toBeGreaterThan(50);
        expect([...new Set(asked)].filter(key => !english.has(key))).toEqual([]);
    });

    it("have the words of a clinic", () => {
        const texts = (catalogue: Map<string, string>, words: RegExp, but: RegExp) =>
            [...catalogue].filter(([key, text]) => words.test(text) && !but.test(key)).map(([key]) => key);
        expect(texts(english, /prestation\b(?!\})|\brelease|since \{since\}/i, /^light\.offline$/)).toEqual([]);
        // The role of a program.
        expect(texts(french, /\bservice|\blibérer/i, /^role\.service$/)).toEqual([]);
    });

    it("keep French signs with their words at the end of a line", () => {
        const loose = [...french].filter(([, text]) => / [:;!?»]|« /.test(text)).map(([key]) => key);
        expect(loose).toEqual([]);
    });

    it("have no unused key", () => {
        const whole = source.map(([, text]) => text).join("\n");
        const unused = [...english.keys()].filter(key => {
            const group = key.slice(0, key.lastIndexOf("."));
            return (
                !whole.includes(`"${key}"`) && !whole.includes(`'${key}'`) && !(group && whole.includes(`${group}.\${`))
            );
        });
        expect(unused.filter(key => !/^(problem|outcome|status|why)\./.test(key))).toEqual([]);
    });
});
