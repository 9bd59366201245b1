/**
 * One tab's part in the stream that all tabs of an account share; it must not know handlers or the page.
 *
 * The leader tells all that its connection says, with the place that each thing comes after; `Position` decides what a tab takes.
 * A tab that lacks something asks, and the leader reconnects from the lowest place asked for: all tabs drop what they had.
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

export interface TabHears {
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
    /** The highest stamp that any tab is known to have used. */
    private highest = 0;
    /** The stamp of this tab's own lead and connection. */
    private stamp = 0;
    private check: Timer;
    private lastAsk: { stamp: number; at: number } | undefined;

    constructor(
        private readonly surroundings: Surroundings,
        private readonly limits: StreamLimits,
        options: TabOptions,
        private readonly hears: TabHears,
    ) {
        const now = surroundings.now();
        this.state = { name: "catching_up", since: now };
        // What the page was told of its snapshot is younger than any connection that is open already.
        this.position = new Position(options.from, options.from === undefined ? 0 : now);
        this.vigil = new Vigil(limits, surroundings.random(), now);
        this.connection = new Connection(surroundings, limits, options.url, options.names, options.credentials, {
            ready: () => this.renew(),
            event: (after, id, name, text) => this.say({ kind: "event", stamp: this.stamp, after, id, name, text }),
            moved: (after, id) => this.say({ kind: "moved", stamp: this.stamp, after, id }),
            reset: (place, asked) => {
                this.renew();
                this.say({ kind: "reset", stamp: this.stamp, place, asked });
            },
            state: (name, status) => this.leaderIs(name, status),
        });
        this.goingBack = new GoingBack(surroundings, limits, this.connection);
        this.leadership = new Leadership(surroundings, options.lock, options.share, {
            lead: () => this.lead(),
            follow: () => this.follow(),
            heard: message => this.heard(message),
        });
    }

    /** Begin, or take up again after `stop`. */
    start(): void {
        if (this.running) return;
        this.running = true;
        this.leadership.start();
        this.watch();
    }

    /** Let go of connection, lock and channel; the place is kept. */
    stop(): void {
        this.running = false;
        this.connection.close();
        this.leadership.stop();
        this.goingBack.forget();
        this.surroundings.clearTimeout(this.check);
        this.lastAsk = undefined;
    }

    /** Somebody looks, is online again or says so: reconnect when the server was silent for `silence` seconds. */
    wake(silence: number): void {
        if (!this.running) return;
        if (this.leadership.leading) {
            this.connection.wake(silence);
            return;
        }
        this.post({ kind: "wake", stamp: this.highest, silence });
        this.look();
    }

    /** The browser says that there is no network. The next word from the server proves it wrong. */
    offline(): void {
        const heardAt = this.leadership.leading ? this.connection.heardAt : this.vigil.lastHeard;
        if (this.running) this.be({ name: "offline", since: heardAt });
    }

    private lead(): void {
        this.renew();
        this.connection.open(this.position.place);
        this.leaderIs("catching_up");
    }

    private follow(): void {
        this.connection.close();
        this.goingBack.forget();
        this.vigil.heard(this.surroundings.now());
        this.post({ kind: "hello", stamp: this.highest });
    }

    /** A stamp above all that this tab has heard of, and above those of tabs that are gone: they share this clock. */
    private renew(): void {
        this.stamp = Math.max(this.surroundings.now(), this.highest + 1);
        this.highest = this.stamp;
    }

    private post(message: TabMessage): void {
        this.leadership.post(message);
    }

    /** What the leader's connection says, to this tab and the others. */
    private say(message: TabMessage): void {
        this.post(message);
        this.take(message, true);
    }

    private leaderIs(name: StateName, status?: number): void {
        // The light does not flicker with each new attempt: what was wrong is wrong until the stream is there.
        if (name !== "catching_up" || this.state.name === "live") {
            const since = name === "offline" ? this.connection.heardAt : this.surroundings.now();
            this.be(status === undefined ? { name, since } : { name, since, status });
        }
        this.sayWhere();
    }

    /** A place only while the server confirms it: that of a leader who has yet to connect may be of a log that is gone. */
    private sayWhere(): void {
        const place = this.connection.live ? this.connection.place : undefined;
        this.say({ kind: "at", stamp: this.stamp, place, state: this.state });
    }

    private be(state: StreamState): void {
        if (sameState(this.state, state)) return;
        this.state = state;
        this.hears.state(state);
    }

    private heard(data: unknown): void {
        const message = readTabMessage(data);
        if (message === undefined || !this.running) return;
        const current = message.stamp >= this.highest;
        this.highest = Math.max(this.highest, message.stamp);
        if (message.kind === "hello" || message.kind === "wake" || message.kind === "ask") {
            if (this.leadership.leading) this.answer(message);
            return;
        }
        // A robbed leader that wakes says true things of the log, and stale ones of itself.
        if (current) this.vigil.heard(this.surroundings.now());
        this.take(message, current);
    }

    private answer(message: TabMessage): void {
        if (message.kind === "wake") this.connection.wake(message.silence);
        else if (message.kind !== "ask" || !this.goingBack.ask(message.from)) this.sayWhere();
    }

    private take(message: TabMessage, current: boolean): void {
        if (message.kind === "reset") {
            const verdict = this.position.reset(message.place, message.asked, message.stamp);
            if (verdict === "take") this.hears.reset(message.place);
        } else if (message.kind === "at") {
            const { place, stamp, state } = message;
            const verdict = place === undefined ? "drop" : this.judge({ after: place, id: place, stamp });
            if (current && verdict !== "gap" && !this.leadership.leading) this.be(state);
        } else if (message.kind === "event" || message.kind === "moved") {
            const verdict = this.judge(message);
            if (verdict === "take" && message.kind === "event") {
                this.hears.event(message.name, message.id, message.text);
            }
            if (current && verdict !== "gap") this.be({ name: "live", since: this.surroundings.now() });
        }
    }

    private judge(claim: { after: Place; id: Place; stamp: number }): Verdict {
        const verdict = this.position.take(claim);
        if (verdict === "gap") this.ask(claim.stamp);
        if (verdict !== "lost") return verdict;
        this.position.begin(claim.after, claim.stamp);
        this.hears.reset(claim.after);
        return this.position.take(claim);
    }

    // Once for each connection of the leader's, since each message of that one shows the same gap; again when nothing comes of it.
    private ask(stamp: number): void {
        const now = this.surroundings.now();
        const from = this.position.place;
        const recent = this.lastAsk && now - this.lastAsk.at < this.limits.askAgain * 1000;
        if (from === undefined || (recent && this.lastAsk?.stamp === stamp)) return;
        this.lastAsk = { stamp, at: now };
        if (this.leadership.leading) this.goingBack.ask(from);
        else this.post({ kind: "ask", stamp: this.highest, from });
        this.be({ name: "catching_up", since: now });
    }

    private watch(): void {
        this.check = this.surroundings.setTimeout(() => {
            this.look();
            this.watch();
        }, this.limits.heartbeat * 500);
    }

    /** A leader says each half heartbeat that it is there; the others listen for that. */
    private look(): void {
        if (this.leadership.leading) {
            this.sayWhere();
            return;
        }
        const found = this.vigil.look(this.surroundings.now());
        if (found === "ask") this.post({ kind: "hello", stamp: this.highest });
        else if (found === "take its place") this.leadership.steal();
    }
}
