/** How a patient is shown: the name, and next to it the birth date and the record number. Two patients may have one name. */

import { useI18n } from "vue-i18n";
import { partialDate } from "./clock.js";
import { hasSameName, type Named } from "./same_names.js";

/** A patient in a row, a card, an event or a refusal. Older events lack the birth date and the record number. */
export interface Identity extends Named {
    /** The end of the name. Older events lack it. */
    readonly family_name?: string | null | undefined;
    readonly birth_date?: string | null | undefined;
    readonly record_number?: string | null | undefined;
}

/** The text with its own direction: an Arabic name does not turn around the words of the sentence (U+2068 to U+2069). */
export const isolated = (text: string): string => `\u2068${text}\u2069`;

/** The name before the family name, with its space, and the family name. */
export function nameParts({ patient_name, family_name }: Identity): { given: string; family: string } {
    const family = family_name && patient_name.endsWith(family_name) ? family_name : "";
    return { given: patient_name.slice(0, patient_name.length - family.length), family };
}

export function useIdentity() {
    const { t, locale } = useI18n();

    /** `born 3 Feb 1980` and `no. P-017`, as far as they are known. */
    function parts({ birth_date, record_number }: Identity): readonly string[] {
        const born = birth_date ? [t("identity.born", { date: partialDate(birth_date, locale.value) })] : [];
        const number = record_number ? [t("identity.number", { number: isolated(record_number) })] : [];
        return [...born, ...number];
    }

    const details = (patient: Identity): string => parts(patient).join(" · ");

    /** The name in a sentence. A sentence has no style, so the capitals are in the text. */
    function capital(patient: Identity): string {
        const { given, family } = nameParts(patient);
        return isolated(given + family.toLocaleUpperCase(locale.value));
    }

    const joined = (name: string, ...more: readonly string[]): string =>
        [name, more.filter(Boolean).join(" · ")].filter(Boolean).join(", ");

    return {
        parts,
        /** The patient in the name of a button, for a screen reader. */
        spoken: (patient: Identity): string => joined(patient.patient_name, details(patient)),
        /** The patient in a sentence, with a mark when another patient on the screen has the same name. */
        written: (patient: Identity): string => {
            const mark = hasSameName(patient) ? t("identity.sameName") : "";
            return joined(capital(patient), details(patient), mark);
        },
    };
}
