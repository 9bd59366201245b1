/** The one owner of an EventSource: it keeps a stream open for as long as it is wanted. It must not know tabs or handlers. */

import { backoff } from "./backoff.js";
import { isBefore, type Place, readCursor, writeCursor } from "./cursor.js";
import { type Diagnosis, diagnose } from "./diagnosis.js";
import type { StreamLimits } from "./limits.js";
import type { StateName } from "./state.js";
import type { Source, Surroundings, Timer } from "./surroundings.js";

const CLOSED = 2;

/** What its owner hears. `after` is where the stream stood before. */
export interface Heard {
    /** The stream is open and stands at `place`. */
    ready(place: Place): void;
    event(after: Place, id: Place, name: string, text: string): void;
    /** The reader's own cursor, moved by nothing that it would hear. */
    moved(after: Place, id: Place): void;
    /** What lay behind `asked` is lost. */
    reset(place: Place, asked: Place | undefined): void;
    state(name: StateName, status?: number): void;
}

export class Connection {
    /** Where the stream stands; what is opened next begins there. */
    place: Place | undefined;
    /** When the server was last heard, in ms. */
    heardAt: number;
    private source: Source | undefined;
    private readyAt: number | undefined;
    private openedAt = Number.NEGATIVE_INFINITY;
    private failures = 0;
    private watch: Timer;
    private wait: Timer;
    private probing: AbortController | undefined;

    constructor(
        private readonly surroundings: Surroundings,
        private readonly limits: StreamLimits,
        private readonly url: string,
        private readonly names: readonly string[],
        private readonly credentials: RequestCredentials,
        private readonly heard: Heard,
    ) {
        this.heardAt = surroundings.now();
    }

    /** Whether the stream is open and was heard of within its watchdog's time. */
    get live(): boolean {
        return this.readyAt !== undefined;
    }

    /** Close what is open, and begin behind `place`, or at the log's head when that is undefined. */
    open(place: Place | undefined): void {
        this.close();
        this.place = place;
        this.connect();
    }

    close(): void {
        this.letGo();
        this.surroundings.clearTimeout(this.wait);
        this.probing?.abort();
        this.probing = undefined;
    }

    /** Connect now: at once when nothing is open, or when the server has been silent for `silence` seconds. */
    wake(silence: number): void {
        const opened = (this.surroundings.now() - this.openedAt) / 1000;
        if (this.source !== undefined && opened >= 0 && opened < this.limits.wakeApart) return;
        if (this.source === undefined || this.silence() >= silence) this.open(this.place);
    }

    /** Have everything behind `place` told once more. A wait before the next attempt stays. */
    goBack(place: Place | undefined): void {
        if (this.source === undefined) this.place = place;
        else this.open(place);
    }

    private silence(): number {
        return Math.max(0, this.surroundings.now() - this.heardAt) / 1000;
    }

    private letGo(): void {
        this.source?.close();
        this.source = undefined;
        this.readyAt = undefined;
        this.surroundings.clearTimeout(this.watch);
    }

    private connect(): void {
        const cursor = this.place && `last_event_id=${encodeURIComponent(writeCursor(this.place))}`;
        const source = this.surroundings.source(
            cursor ? this.url + (this.url.includes("?") ? "&" : "?") + cursor : this.url,
        );
        this.source = source;
        this.openedAt = this.surroundings.now();
        const follow = (name: string, act: (event: MessageEvent<string>) => void): void =>
            source.addEventListener(name, event => {
                // What a source says after it was given up belongs to a stream that is no longer ours.
                if (this.source === source) act(event);
            });
        follow("ready", event => this.ready(event));
        follow("heartbeat", event => this.told(event, (after, id) => this.heard.moved(after, id)));
        follow("reset", event => this.reset(event));
        for (const name of this.names) {
            follow(name, event => this.told(event, (after, id) => this.heard.event(after, id, name, event.data)));
        }
        follow("error", () => this.failed(source));
        this.watchFor(this.limits.patience);
    }

    private ready(event: MessageEvent<string>): void {
        let said: { cursor?: string; resume?: string };
        try {
            said = JSON.parse(event.data);
        } catch {
            return;
        }
        this.alive();
        this.readyAt = this.surroundings.now();
        // A `reset` follows, and only that one moves: cut off in between, the past must be found lost once more.
        if (said.resume === "reset") return;
        const at = readCursor(said.cursor);
        if (at !== undefined && (this.place === undefined || isBefore(this.place, at))) this.place = at;
        if (this.place !== undefined) this.heard.ready(this.place);
        this.heard.state("live");
    }

    private told(event: MessageEvent<string>, act: (after: Place, id: Place) => void): void {
        this.alive();
        const id = readCursor(event.lastEventId);
        if (id === undefined) return;
        const after = this.place ?? { epoch: id.epoch, seq: Math.max(0, id.seq - 1) };
        // The server promises each once; what comes again over one connection is dropped here.
        if (id.epoch !== after.epoch || id.seq < after.seq) return;
        this.place = id;
        act(after, id);
    }

    private reset(event: MessageEvent<string>): void {
        this.alive();
        const id = readCursor(event.lastEventId);
        if (id === undefined) return;
        const asked = this.place;
        this.place = id;
        this.heard.reset(id, asked);
        this.heard.state("live");
    }

    private alive(): void {
        this.heardAt = this.surroundings.now();
        this.watchFor(this.limits.heartbeat * this.limits.watchdog);
    }

    private watchFor(seconds: number): void {
        this.surroundings.clearTimeout(this.watch);
        this.watch = this.surroundings.setTimeout(() => this.again(), seconds * 1000);
    }

    private failed(source: Source): void {
        if (source.readyState !== CLOSED && this.readyAt !== undefined) {
            // The browser comes back by itself, when the server's `retry:` says; if that fails too, it is ours to go slower.
            this.countHeld();
            this.readyAt = undefined;
            this.watchFor(this.limits.patience);
            this.heard.state("catching_up");
            return;
        }
        const givenUp = source.readyState === CLOSED;
        this.countHeld();
        this.letGo();
        if (givenUp) void this.probe();
        else this.later({ kind: "passing" });
    }

    private countHeld(): void {
        const held = this.readyAt === undefined ? 0 : this.surroundings.now() - this.readyAt;
        if (held >= this.limits.steady * 1000) this.failures = 0;
    }

    /** Silence for too long: the connection is dead, though nothing says so. */
    private again(): void {
        this.countHeld();
        this.letGo();
        this.later({ kind: "passing" });
    }

    /** An EventSource never says why it was refused; the same request by fetch does. */
    private async probe(): Promise<void> {
        const probing = new AbortController();
        this.probing = probing;
        const tired = this.surroundings.setTimeout(() => probing.abort(), this.limits.patience * 1000);
        let found: Diagnosis = { kind: "passing" };
        try {
            const init: RequestInit = {
                method: "HEAD",
                credentials: this.credentials,
                cache: "no-store",
                signal: probing.signal,
            };
            const answer = await this.surroundings.fetch(this.url, init);
            found = diagnose(answer.status, answer.headers.get("Retry-After"), this.surroundings.now());
        } catch {
            // The network failed, which passes.
        }
        this.surroundings.clearTimeout(tired);
        // Closed or opened anew in the meantime: what was found is of no use any more.
        if (this.probing !== probing) return;
        this.probing = undefined;
        this.later(found);
    }

    private later(found: Diagnosis): void {
        this.failures += 1;
        const chance = this.surroundings.random();
        let seconds = backoff(this.failures, this.limits, chance);
        if (found.kind === "signed_out" || found.kind === "refused") {
            seconds = this.limits.slowRetry;
            this.heard.state(found.kind, found.kind === "refused" ? found.status : undefined);
        } else {
            // Not before the moment that was asked for, and not all at that moment.
            if (found.kind === "wait") {
                seconds = Math.min(found.seconds, this.limits.retryAfterMost) + chance * this.limits.backoffFirst;
            }
            this.heard.state("offline");
        }
        this.surroundings.clearTimeout(this.wait);
        this.wait = this.surroundings.setTimeout(() => this.connect(), seconds * 1000);
    }
}
