/** A leader's way back for tabs that lack something: it gathers what they ask and goes once, to the lowest. It must not know tabs. */

import type { Connection } from "./connection.js";
import { isBefore, type Place } from "./cursor.js";
import type { StreamLimits } from "./limits.js";
import type { Surroundings, Timer } from "./surroundings.js";

export class GoingBack {
    private asked: Place | undefined;
    private gathering: Timer;

    constructor(
        private readonly surroundings: Surroundings,
        private readonly limits: StreamLimits,
        private readonly connection: Connection,
    ) {}

    /** Go back to `from` within a moment; false when the stream stands there or before already. */
    ask(from: Place): boolean {
        const lowest = this.asked ?? this.connection.place;
        if (lowest?.epoch === from.epoch && !isBefore(from, lowest)) return this.asked !== undefined;
        // Of another log: which of the two is the present one, only the server knows. A new connection from our own place tells.
        this.asked = lowest === undefined || isBefore(from, lowest) ? from : lowest;
        this.surroundings.clearTimeout(this.gathering);
        this.gathering = this.surroundings.setTimeout(() => this.go(), this.limits.gather * 1000);
        return true;
    }

    forget(): void {
        this.asked = undefined;
        this.surroundings.clearTimeout(this.gathering);
    }

    private go(): void {
        const back = this.asked;
        const now = this.connection.place;
        this.asked = undefined;
        // The stream may have been reset to another log while this was gathered.
        this.connection.goBack(back !== undefined && (now === undefined || back.epoch === now.epoch) ? back : now);
    }
}
