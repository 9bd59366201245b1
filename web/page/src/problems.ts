/** The words for a problem of the API, for forms and other places that show it themselves. */

import { useI18n } from "vue-i18n";
import { isUnknown } from "./api/asking.js";
import { ProblemError } from "./api/client.js";

export function useProblemWords() {
    const { t, te } = useI18n();

    /** What is wrong, in the page's language. Throws what is no problem of the API. */
    return (error: unknown): string => {
        if (!(error instanceof ProblemError)) throw error;
        const { code, retryAfter } = error;
        if (isUnknown(error)) return t("form.unknown");
        const seconds = Math.max(1, Math.ceil(retryAfter ?? 0));
        return te(`problem.${code}`) ? t(`problem.${code}`, { seconds }) : t("problem.other");
    };
}
