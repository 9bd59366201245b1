/** How a patient is shown: the name, and next to it the birth date and the record number. Two patients may have one name. */

import { useI18n } from "vue-i18n";
import { partialDate } from "./clock.js";
import { hasSameName, type Named } from "./same_names.js";

/** A patient in a row, a card, an event or a refusal. Older events lack the birth date and the record number. */
export interface Identity extends Named {
    readonly birth_date?: string | null | undefined;
    readonly record_number?: string | null | undefined;
}

/** The text with its own direction: an Arabic name does not turn around the words of the sentence (U+2068 to U+2069). */
export const isolated = (text: string): string => `\u2068${text}\u2069`;

export function useIdentity() {
    const { t, locale } = useI18n();

    /** `born 3 Feb 1980 · no. P-017`, as far as it is known. */
    function details({ birth_date, record_number }: Identity): string {
        const born = birth_date ? [t("identity.born", { date: partialDate(birth_date, locale.value) })] : [];
        const number = record_number ? [t("identity.number", { number: isolated(record_number) })] : [];
        return [...born, ...number].join(" · ");
    }

    const joined = (name: string, ...more: readonly string[]): string =>
        [name, more.filter(Boolean).join(" · ")].filter(Boolean).join(", ");

    return {
        details,
        /** The patient in the name of a button, for a screen reader. */
        spoken: (patient: Identity): string => joined(patient.patient_name, details(patient)),
        /** The patient in a sentence, with a mark when another patient on the screen has the same name. */
        written: (patient: Identity): string => {
            const mark = hasSameName(patient) ? t("identity.sameName") : "";
            return joined(isolated(patient.patient_name), details(patient), mark);
        },
    };
}
