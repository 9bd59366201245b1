/**
 * The position of a tab, and whether it accepts a message.
 *
 * Every message is a claim about the log: "on these channels there is nothing between `after` and `id`". A claim stays true, however
 * late it comes and from any tab. So a tab accepts an event only if `after` is not ahead of its position and `id` is. Then it
 * gets each event once and in order, even if leaders die or two of them send at the same time. The other modules only make sure
 * that missing claims are sent again.
 */

import { isBefore, type Place } from "./cursor.js";

export interface Claim {
    readonly after: Place;
    readonly id: Place;
    /** The stamp of the connection that it came from. A newer connection has a higher stamp. */
    readonly stamp: number;
}

export type Verdict =
    | "take"
    /** The tab already has it. */
    | "drop"
    /** Events before it are missing. They must be sent again from this tab's place. */
    | "gap"
    /** Our log was replaced by another one. */
    | "lost";

export class Position {
    place: Place | undefined;
    /** The stamp of the newest connection that confirmed the log of `place`. */
    private confirmed = 0;

    constructor(place: Place | undefined, stamp: number) {
        this.place = place;
        this.confirmed = stamp;
    }

    /** Check a claim, and move the position if it is accepted. */
    take(claim: Claim): Verdict {
        // A tab without a start position starts at the first claim.
        this.place ??= claim.after;
        if (claim.id.epoch !== this.place.epoch) return this.checkOtherLog(claim.stamp);
        this.confirmed = Math.max(this.confirmed, claim.stamp);
        if (isBefore(this.place, claim.after)) return "gap";
        if (!isBefore(this.place, claim.id)) return "drop";
        this.place = claim.id;
        return "take";
    }

    /** Check a `reset` to `place` that answered a request for `requested`. "take": missing events are lost, and the position has moved. */
    reset(place: Place, requested: Place | undefined, stamp: number): Verdict {
        const own = this.place;
        // A tab that is not behind loses nothing by the request of another tab. But if the server does not know a requested place,
        // then a tab at or ahead of it was never in this log.
        const isNotBehind = own?.epoch === place.epoch && own.seq >= place.seq;
        const isUnknownPlace = requested?.epoch === place.epoch && requested.seq >= place.seq;
        if (isNotBehind && !isUnknownPlace) return "drop";
        if (own !== undefined && own.epoch !== place.epoch && stamp <= this.confirmed) return "drop";
        this.begin(place, stamp);
        return "take";
    }

    /** Continue from `place`, without a check. */
    begin(place: Place, stamp: number): void {
        this.place = place;
        this.confirmed = Math.max(this.confirmed, stamp);
    }

    // An older connection may still report the old log. Only a newer connection than ours can know a newer log.
    private checkOtherLog(stamp: number): Verdict {
        return stamp > this.confirmed ? "lost" : "gap";
    }
}
