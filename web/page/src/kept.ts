/** The few choices that a browser keeps: language, colours, keys. Nothing of a patient is ever among them. */

type Choice = "locale" | "theme" | "keys";

export const kept = {
    get(choice: Choice): string | undefined {
        try {
            return localStorage.getItem(`visit.${choice}`) ?? undefined;
        } catch {
            // A browser may forbid it; then nothing is kept.
            return undefined;
        }
    },
    set(choice: Choice, value: string): void {
        try {
            localStorage.setItem(`visit.${choice}`, value);
        } catch {
            return;
        }
    },
};
