/** The two languages, and the choice between them. */

import { createI18n } from "vue-i18n";
import { kept } from "./kept.js";
import en from "./messages/en.json";
import fr from "./messages/fr.json";

export const LOCALES = ["en", "fr"] as const;
export type Locale = (typeof LOCALES)[number];

function isLocale(name: string | undefined): name is Locale {
    return LOCALES.some(one => one === name);
}

/** The chosen language, else the browser's, else English. */
export function firstLocale(chosen: string | undefined, offered: readonly string[]): Locale {
    const wanted = [chosen, ...offered.map(one => one.slice(0, 2).toLowerCase())];
    return wanted.find(isLocale) ?? "en";
}

export const i18n = createI18n({
    legacy: false,
    locale: firstLocale(kept.get("locale"), navigator.languages),
    fallbackLocale: "en",
    messages: { en, fr },
});

/** Changes the page's language, and stores the choice in the browser. */
export function speak(locale: Locale): void {
    i18n.global.locale.value = locale;
    kept.set("locale", locale);
    document.documentElement.lang = locale;
}

/** The key of `1st`, `2nd`, ... in the language. */
export function ordinal(locale: string, number: number): Intl.LDMLPluralRule {
    return new Intl.PluralRules(locale, { type: "ordinal" }).select(number);
}
