/** A follower's watch over its leader: when to ask whether it is there, and when to take its place. */

import type { StreamLimits } from "./limits.js";

export type Finding = "well" | "ask" | "take its place";

/** Times in milliseconds. */
export class Vigil {
    private lastMessageAt: number;
    private lastCheckAt: number;
    private gotGrace = false;
    private readonly heartbeat: number;
    private readonly timeout: number;

    /** `chance` makes the timeouts of tabs different. Otherwise all would replace a silent leader at the same moment. */
    constructor(limits: StreamLimits, chance: number, now: number) {
        this.heartbeat = limits.heartbeat * 1000;
        this.timeout = this.heartbeat * (limits.watchdog + chance);
        this.lastMessageAt = now;
        this.lastCheckAt = now;
    }

    get lastMessage(): number {
        return this.lastMessageAt;
    }

    noteMessage(now: number): void {
        this.lastMessageAt = now;
        this.gotGrace = false;
    }

    /** Call this every half heartbeat. */
    check(now: number): Finding {
        // The machine or this page slept, and perhaps the leader too. Give it one more heartbeat, once.
        if (now - this.lastCheckAt > this.heartbeat && !this.gotGrace) {
            this.gotGrace = true;
            this.lastMessageAt = Math.max(this.lastMessageAt, now - this.timeout + this.heartbeat);
        }
        this.lastCheckAt = now;
        const silent = now - this.lastMessageAt;
        if (silent > this.timeout) {
            this.noteMessage(now);
            return "take its place";
        }
        return silent > this.heartbeat ? "ask" : "well";
    }
}
