/**
 * One tab of an account. All tabs of the account share one stream.
 *
 * The leader forwards every message of its connection, with the place that the message comes after. `Position` decides what a tab
 * accepts. A tab that misses events asks for them. The leader then reconnects at the lowest requested place, and each tab drops the
 * events that it already has.
 */

import { Connection } from "./connection.js";
import type { Place } from "./cursor.js";
import { GoingBack } from "./going_back.js";
import { Leadership } from "./leadership.js";
import type { StreamLimits } from "./limits.js";
import { Position, type Verdict } from "./position.js";
import { type StateName, type StreamState, sameState } from "./state.js";
import type { Surroundings, Timer } from "./surroundings.js";
import { readTabMessage, type TabMessage } from "./tab_messages.js";
import { Vigil } from "./vigil.js";

export interface TabCallbacks {
    event(name: string, id: Place, text: string): void;
    reset(place: Place): void;
    state(state: StreamState): void;
}

export interface TabOptions {
    readonly url: string;
    readonly lock: string;
    readonly names: readonly string[];
    readonly credentials: RequestCredentials;
    readonly share: boolean;
    readonly from: Place | undefined;
}

export class Tab {
    state: StreamState;
    private readonly position: Position;
    private readonly connection: Connection;
    private readonly leadership: Leadership;
    private readonly goingBack: GoingBack;
    private readonly vigil: Vigil;
    private running = false;
    /** The highest known stamp of any tab. */
    private highestStamp = 0;
    /** The stamp of this tab's own connection. */
    private stamp = 0;
    private timer: Timer;
    private lastAsk: { stamp: number; at: number } | undefined;

    constructor(
        private readonly surroundings: Surroundings,
        private readonly limits: StreamLimits,
        options: TabOptions,
        private readonly callbacks: TabCallbacks,
    ) {
        const now = surroundings.now();
        this.state = { name: "catching_up", since: now };
        // The page's snapshot is newer than any connection that is already open.
        this.position = new Position(options.from, options.from === undefined ? 0 : now);
        this.vigil = new Vigil(limits, surroundings.random(), now);
        this.connection = new Connection(surroundings, limits, options.url, options.names, options.credentials, {
            ready: () => this.renewStamp(),
            event: (after, id, name, text) => this.publish({ kind: "event", stamp: this.stamp, after, id, name, text }),
            moved: (after, id) => this.publish({ kind: "moved", stamp: this.stamp, after, id }),
            reset: (place, requested) => {
                this.renewStamp();
                this.publish({ kind: "reset", stamp: this.stamp, place, asked: requested });
            },
            state: (name, status) => this.reportLeaderState(name, status),
        });
        this.goingBack = new GoingBack(surroundings, limits, this.connection);
        this.leadership = new Leadership(surroundings, options.lock, options.share, {
            lead: () => this.lead(),
            follow: () => this.follow(),
            receive: message => this.receive(message),
        });
    }

    /** Start, or continue after `stop`. */
    start(): void {
        if (this.running) return;
        this.running = true;
        this.leadership.start();
        this.scheduleCheck();
    }

    /** Close connection, lock and channel. The position stays. */
    stop(): void {
        this.running = false;
        this.connection.close();
        this.leadership.stop();
        this.goingBack.forget();
        this.surroundings.clearTimeout(this.timer);
        this.lastAsk = undefined;
    }

    /** The page became visible or online, or asks for a retry: reconnect if the server was silent for `silence` seconds. */
    wake(silence: number): void {
        if (!this.running) return;
        if (this.leadership.leading) {
            this.connection.wake(silence);
            return;
        }
        this.post({ kind: "wake", stamp: this.highestStamp, silence });
        this.checkLeader();
    }

    /** The browser reports that there is no network. The next message of the server ends this state. */
    offline(): void {
        const lastMessageAt = this.leadership.leading ? this.connection.lastMessageAt : this.vigil.lastMessage;
        if (this.running) this.setState({ name: "offline", since: lastMessageAt });
    }

    private lead(): void {
        this.renewStamp();
        this.connection.open(this.position.place);
        this.reportLeaderState("catching_up");
    }

    private follow(): void {
        this.connection.close();
        this.goingBack.forget();
        this.vigil.noteMessage(this.surroundings.now());
        this.post({ kind: "hello", stamp: this.highestStamp });
    }

    /** Take a stamp above all known stamps. The clock makes it higher than those of closed tabs, too. */
    private renewStamp(): void {
        this.stamp = Math.max(this.surroundings.now(), this.highestStamp + 1);
        this.highestStamp = this.stamp;
    }

    private post(message: TabMessage): void {
        this.leadership.post(message);
    }

    /** Send a message of the leader's connection to the other tabs and to this tab. */
    private publish(message: TabMessage): void {
        this.post(message);
        this.handle(message, true);
    }

    private reportLeaderState(name: StateName, status?: number): void {
        // A new attempt does not change the shown state. A problem is shown until the stream is open.
        if (name !== "catching_up" || this.state.name === "live") {
            const since = name === "offline" ? this.connection.lastMessageAt : this.surroundings.now();
            this.setState(status === undefined ? { name, since } : { name, since, status });
        }
        this.publishPlace();
    }

    /** Publish the place only while the server confirms it. Before it connects, a leader may have a place in an old log. */
    private publishPlace(): void {
        const place = this.connection.live ? this.connection.place : undefined;
        this.publish({ kind: "at", stamp: this.stamp, place, state: this.state });
    }

    private setState(state: StreamState): void {
        if (sameState(this.state, state)) return;
        this.state = state;
        this.callbacks.state(state);
    }

    private receive(data: unknown): void {
        const message = readTabMessage(data);
        if (message === undefined || !this.running) return;
        const isCurrent = message.stamp >= this.highestStamp;
        this.highestStamp = Math.max(this.highestStamp, message.stamp);
        if (message.kind === "hello" || message.kind === "wake" || message.kind === "ask") {
            if (this.leadership.leading) this.answer(message);
            return;
        }
        // A replaced leader that wakes up sends true claims about the log, but an outdated state.
        if (isCurrent) this.vigil.noteMessage(this.surroundings.now());
        this.handle(message, isCurrent);
    }

    private answer(message: TabMessage): void {
        if (message.kind === "wake") this.connection.wake(message.silence);
        else if (message.kind !== "ask" || !this.goingBack.ask(message.from)) this.publishPlace();
    }

    private handle(message: TabMessage, isCurrent: boolean): void {
        if (message.kind === "reset") {
            const verdict = this.position.reset(message.place, message.asked, message.stamp);
            if (verdict === "take") this.callbacks.reset(message.place);
        } else if (message.kind === "at") {
            const { place, stamp, state } = message;
            const verdict = place === undefined ? "drop" : this.checkClaim({ after: place, id: place, stamp });
            if (isCurrent && verdict !== "gap" && !this.leadership.leading) this.setState(state);
        } else if (message.kind === "event" || message.kind === "moved") {
            const verdict = this.checkClaim(message);
            if (verdict === "take" && message.kind === "event") {
                this.callbacks.event(message.name, message.id, message.text);
            }
            if (isCurrent && verdict !== "gap") this.setState({ name: "live", since: this.surroundings.now() });
        }
    }

    private checkClaim(claim: { after: Place; id: Place; stamp: number }): Verdict {
        const verdict = this.position.take(claim);
        if (verdict === "gap") this.askForMissing(claim.stamp);
        if (verdict !== "lost") return verdict;
        this.position.begin(claim.after, claim.stamp);
        this.callbacks.reset(claim.after);
        return this.position.take(claim);
    }

    // Ask once for each connection of the leader, because each of its messages shows the same gap. Ask again after `askAgain`.
    private askForMissing(stamp: number): void {
        const now = this.surroundings.now();
        const from = this.position.place;
        const recent = this.lastAsk && now - this.lastAsk.at < this.limits.askAgain * 1000;
        if (from === undefined || (recent && this.lastAsk?.stamp === stamp)) return;
        this.lastAsk = { stamp, at: now };
        if (this.leadership.leading) this.goingBack.ask(from);
        else this.post({ kind: "ask", stamp: this.highestStamp, from });
        this.setState({ name: "catching_up", since: now });
    }

    private scheduleCheck(): void {
        this.timer = this.surroundings.setTimeout(() => {
            this.checkLeader();
            this.scheduleCheck();
        }, this.limits.heartbeat * 500);
    }

    /** Every half heartbeat the leader publishes its place, and followers check that the leader is there. */
    private checkLeader(): void {
        if (this.leadership.leading) {
            this.publishPlace();
            return;
        }
        const finding = this.vigil.check(this.surroundings.now());
        if (finding === "ask") this.post({ kind: "hello", stamp: this.highestStamp });
        else if (finding === "take its place") this.leadership.steal();
    }
}
