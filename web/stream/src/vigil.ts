/** A following tab's watch over its leader: when to ask whether it is there, and when to take its place. It must not know what a leader does. */

import type { StreamLimits } from "./limits.js";

export type Finding = "well" | "ask" | "take its place";

/** Times in milliseconds. */
export class Vigil {
    private heardAt: number;
    private lookedAt: number;
    private spared = false;
    private readonly heartbeat: number;
    private readonly tired: number;

    /** `chance` makes tabs different, or all would rob a silent leader at the same moment. */
    constructor(limits: StreamLimits, chance: number, now: number) {
        this.heartbeat = limits.heartbeat * 1000;
        this.tired = this.heartbeat * (limits.watchdog + chance);
        this.heardAt = now;
        this.lookedAt = now;
    }

    get lastHeard(): number {
        return this.heardAt;
    }

    heard(now: number): void {
        this.heardAt = now;
        this.spared = false;
    }

    /** To be asked each half heartbeat. */
    look(now: number): Finding {
        // The machine slept, or this page did, and so perhaps the leader: it gets one more heartbeat, once.
        if (now - this.lookedAt > this.heartbeat && !this.spared) {
            this.spared = true;
            this.heardAt = Math.max(this.heardAt, now - this.tired + this.heartbeat);
        }
        this.lookedAt = now;
        const silent = now - this.heardAt;
        if (silent > this.tired) {
            this.heard(now);
            return "take its place";
        }
        return silent > this.heartbeat ? "ask" : "well";
    }
}
