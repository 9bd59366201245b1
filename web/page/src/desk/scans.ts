/** Sends what a scanner types to the search, wherever the focus is on the desk. */

import { onScopeDispose } from "vue";
import { keysAreOn } from "../keys.js";
import { ScanReader } from "./scan_reader.js";

export interface ScanTarget {
    /** The field gets the key that is being pressed, instead of its text. */
    readonly begin: () => void;
    /** Puts the text into the field. `isWhole`: it ended with Enter. */
    readonly take: (text: string, isWhole: boolean) => void;
}

/** Keys that were given back to the page. They must not be read again. */
const givenBack = new WeakSet<Event>();

const within = (event: Event, selector: string): boolean =>
    event.target instanceof Element && event.target.closest(selector) !== null;

/**
 * A fast series of keys is a scan. Its first key may be a shortcut of the page, or choose in an open menu,
 * so every key waits for a tenth of a second to see whether another one follows. Then a single key does what it always does.
 */
export function useScans({ begin, take }: ScanTarget): void {
    let first: KeyboardEvent | undefined;
    const reader = new ScanReader({
        single() {
            const event = first;
            first = undefined;
            if (event === undefined || !(event.target instanceof Element)) return;
            const again = new KeyboardEvent(event.type, event);
            givenBack.add(again);
            (event.target.isConnected ? event.target : document.body).dispatchEvent(again);
        },
        scanned(text, isWhole) {
            first = undefined;
            // A menu would choose with the scan's Enter. It closes, and gives the focus back before the field gets it.
            const menu = document.querySelector("[role=menu]");
            menu?.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
            setTimeout(() => take(text, isWhole));
        },
    });

    function pressed(event: KeyboardEvent): void {
        const hasModifier = event.ctrlKey || event.metaKey || event.altKey;
        const isElsewhere = within(event, "input, select, textarea, [role=dialog], [role=alertdialog]");
        if (givenBack.has(event) || hasModifier || event.repeat || event.isComposing || isElsewhere) return;
        // A digit is no shortcut, so the field can have it at once. A menu would still get the Enter.
        const isDigit = /^\d$/.test(event.key) && keysAreOn.value && !within(event, "[role=menu]");
        // On a result, a letter is the begin of another search. Given back later, it would not get into the field.
        const isOnResult = /^\S$/u.test(event.key) && within(event, "[data-result]");
        if ((isDigit || isOnResult) && !reader.isReading) {
            begin();
            return;
        }
        if (!reader.read(event.key)) return;
        first ??= event;
        event.preventDefault();
        event.stopImmediatePropagation();
    }
    // Before every other listener.
    window.addEventListener("keydown", pressed, { capture: true });
    onScopeDispose(() => {
        window.removeEventListener("keydown", pressed, { capture: true });
        reader.stop();
    });
}
