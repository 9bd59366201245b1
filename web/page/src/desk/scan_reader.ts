/** Tells the keys of a scanner from those of a person by their speed, without the browser's events. */

/** A scanner sends its next key within this time, in milliseconds. A person rarely does. */
export const SCAN_GAP = 100;

export interface Reading {
    /** The key was a single one. */
    readonly single: () => void;
    /** A fast series of keys. `isWhole`: it ended with Enter. */
    readonly scanned: (text: string, isWhole: boolean) => void;
}

export class ScanReader {
    private text = "";
    private timer: ReturnType<typeof setTimeout> | undefined;

    constructor(private readonly reading: Reading) {}

    get isReading(): boolean {
        return this.text !== "";
    }

    /** Returns whether the key is kept until it is known what it belongs to. Then no one else may handle it. */
    read(key: string): boolean {
        if (key === "Shift") return false;
        if (key === "Enter" && this.text.length > 1) {
            this.finish(true);
            return true;
        }
        const isSign = key.length === 1;
        // A scan begins with a letter or a digit. Space presses a button, and `/` and `?` are for the next keys.
        if (!isSign || (!this.isReading && !/[\p{L}\p{N}]/u.test(key))) {
            this.finish(false);
            return false;
        }
        this.text += key;
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.finish(false), SCAN_GAP);
        return true;
    }

    stop(): void {
        clearTimeout(this.timer);
        this.text = "";
    }

    private finish(isWhole: boolean): void {
        const { text } = this;
        this.stop();
        if (text.length === 1) this.reading.single();
        else if (text !== "") this.reading.scanned(text, isWhole);
    }
}
