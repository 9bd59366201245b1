/** Lets a leader reconnect at an earlier place for tabs that miss events. It collects their requests and reconnects once, at the lowest place. */

import type { Connection } from "./connection.js";
import { isBefore, type Place } from "./cursor.js";
import type { StreamLimits } from "./limits.js";
import type { Surroundings, Timer } from "./surroundings.js";

export class GoingBack {
    private requested: Place | undefined;
    private timer: Timer;

    constructor(
        private readonly surroundings: Surroundings,
        private readonly limits: StreamLimits,
        private readonly connection: Connection,
    ) {}

    /** Go back to `from` soon. Returns false if the stream is already there or before it. */
    ask(from: Place): boolean {
        const lowest = this.requested ?? this.connection.place;
        if (lowest?.epoch === from.epoch && !isBefore(from, lowest)) return this.requested !== undefined;
        // `from` may be of another log. Only the server knows which log is current. A new connection from our own place shows it.
        this.requested = lowest === undefined || isBefore(from, lowest) ? from : lowest;
        this.surroundings.clearTimeout(this.timer);
        this.timer = this.surroundings.setTimeout(() => this.reconnect(), this.limits.gather * 1000);
        return true;
    }

    forget(): void {
        this.requested = undefined;
        this.surroundings.clearTimeout(this.timer);
    }

    private reconnect(): void {
        const target = this.requested;
        const current = this.connection.place;
        this.requested = undefined;
        // The stream may have been reset to another log during the wait.
        this.connection.goBack(
            target !== undefined && (current === undefined || target.epoch === current.epoch) ? target : current,
        );
    }
}
