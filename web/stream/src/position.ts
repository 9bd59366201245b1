/**
 * What a tab has had, and what it makes of each thing it is told; pure, it must not know which tab tells it.
 *
 * Every message is a claim about the log: "on these channels nothing lies between `after` and `id`". A claim is true whoever
 * makes it, and however late it comes. So a tab takes an event only when `after` is not ahead of it and `id` is. Then it has each
 * event once and in order, whatever leaders die or talk at the same time; the rest of the sharing only sees to it that the claims
 * a tab lacks are made again.
 */

import { isBefore, type Place } from "./cursor.js";

export interface Claim {
    readonly after: Place;
    readonly id: Place;
    /** The connection that it came over: a younger one has the higher stamp. */
    readonly stamp: number;
}

export type Verdict =
    | "take"
    /** Had already. */
    | "drop"
    /** Something before it was missed: it must be told again from this tab's own place. */
    | "gap"
    /** Another log has taken the place of ours. */
    | "lost";

export class Position {
    place: Place | undefined;
    /** The youngest connection that spoke of the log that `place` is in. */
    private confirmed = 0;

    constructor(place: Place | undefined, stamp: number) {
        this.place = place;
        this.confirmed = stamp;
    }

    /** Judge a claim, and move when it is to be taken. */
    take(claim: Claim): Verdict {
        // A tab that named no beginning begins where it is first told anything.
        this.place ??= claim.after;
        if (claim.id.epoch !== this.place.epoch) return this.foreign(claim.stamp);
        this.confirmed = Math.max(this.confirmed, claim.stamp);
        if (isBefore(this.place, claim.after)) return "gap";
        if (!isBefore(this.place, claim.id)) return "drop";
        this.place = claim.id;
        return "take";
    }

    /** Judge a `reset` to `place`, given to whoever had asked for `asked`; "take": what was missed is gone, and the tab is moved. */
    reset(place: Place, asked: Place | undefined, stamp: number): Verdict {
        const own = this.place;
        // A tab that is not behind has lost nothing by what another one asked for. But one that stands at or ahead of a place
        // which the server does not know was never in this log.
        const spared = own?.epoch === place.epoch && own.seq >= place.seq;
        const unknown = asked?.epoch === place.epoch && asked.seq >= place.seq;
        if (spared && !unknown) return "drop";
        if (own !== undefined && own.epoch !== place.epoch && stamp <= this.confirmed) return "drop";
        this.begin(place, stamp);
        return "take";
    }

    /** Go on from `place`, whatever was before. */
    begin(place: Place, stamp: number): void {
        this.place = place;
        this.confirmed = Math.max(this.confirmed, stamp);
    }

    // An older connection may still speak of the log that was: only a younger one than ours can know a newer log.
    private foreign(stamp: number): Verdict {
        return stamp > this.confirmed ? "lost" : "gap";
    }
}
