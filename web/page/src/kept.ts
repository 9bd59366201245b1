/** The choices that a browser stores: language, colours, keys, sounds, notifications. No patient data is among them. */

type Choice = "locale" | "theme" | "keys" | "sound" | "offer_sound" | "offer_notification";

export const kept = {
    get(choice: Choice): string | undefined {
        try {
            return localStorage.getItem(`visit.${choice}`) ?? undefined;
        } catch {
            // A browser may forbid storage. Then each choice lasts until the page is closed.
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
