/** Owns the EventSource and keeps the stream open until `close`. */

import { backoff } from "./backoff.js";
import { isBefore, type Place, readCursor, writeCursor } from "./cursor.js";
import { type Diagnosis, diagnose } from "./diagnosis.js";
import type { StreamLimits } from "./limits.js";
import type { StateName } from "./state.js";
import type { Source, Surroundings, Timer } from "./surroundings.js";

const CLOSED = 2;

/** The callbacks of the connection. `after` is the position before the message. */
export interface ConnectionCallbacks {
    /** The stream is open at `place`. */
    ready(place: Place): void;
    event(after: Place, id: Place, name: string, text: string): void;
    /** A heartbeat moved the cursor past events of other channels. */
    moved(after: Place, id: Place): void;
    /** Events after `requested` are lost. The stream continues at `place`. */
    reset(place: Place, requested: Place | undefined): void;
    state(name: StateName, status?: number): void;
}

export class Connection {
    /** The current position. The next connection starts there. */
    place: Place | undefined;
    /** When the last message of the server came, in ms. */
    lastMessageAt: number;
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
        private readonly callbacks: ConnectionCallbacks,
    ) {
        this.lastMessageAt = surroundings.now();
    }

    /** Whether the stream is open and the watchdog has not expired. */
    get live(): boolean {
        return this.readyAt !== undefined;
    }

    /** Close the open connection and start after `place`, or at the log's head if it is undefined. */
    open(place: Place | undefined): void {
        this.close();
        this.place = place;
        this.connect();
    }

    close(): void {
        this.closeSource();
        this.surroundings.clearTimeout(this.wait);
        this.probing?.abort();
        this.probing = undefined;
    }

    /** Reconnect now if nothing is open, or if the server has been silent for `silence` seconds. */
    wake(silence: number): void {
        const secondsOpen = (this.surroundings.now() - this.openedAt) / 1000;
        if (this.source !== undefined && secondsOpen >= 0 && secondsOpen < this.limits.wakeApart) return;
        if (this.source === undefined || this.silentSeconds() >= silence) this.open(this.place);
    }

    /** Receive everything after `place` again. A running wait before the next attempt continues. */
    goBack(place: Place | undefined): void {
        if (this.source === undefined) this.place = place;
        else this.open(place);
    }

    private silentSeconds(): number {
        return Math.max(0, this.surroundings.now() - this.lastMessageAt) / 1000;
    }

    private closeSource(): void {
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
        const listen = (name: string, handle: (event: MessageEvent<string>) => void): void =>
            source.addEventListener(name, event => {
                // Ignore late events of a source that was already closed.
                if (this.source === source) handle(event);
            });
        listen("ready", event => this.ready(event));
        listen("heartbeat", event => this.received(event, (after, id) => this.callbacks.moved(after, id)));
        listen("reset", event => this.reset(event));
        for (const name of this.names) {
            listen(name, event =>
                this.received(event, (after, id) => this.callbacks.event(after, id, name, event.data)),
            );
        }
        listen("error", () => this.handleError(source));
        this.startWatchdog(this.limits.patience);
    }

    private ready(event: MessageEvent<string>): void {
        let opening: { cursor?: string; resume?: string };
        try {
            opening = JSON.parse(event.data);
        } catch {
            return;
        }
        this.noteMessage();
        this.readyAt = this.surroundings.now();
        // A `reset` follows and moves the cursor. If the connection breaks before it, the next attempt must get the reset again.
        if (opening.resume === "reset") return;
        const start = readCursor(opening.cursor);
        if (start !== undefined && (this.place === undefined || isBefore(this.place, start))) this.place = start;
        if (this.place !== undefined) this.callbacks.ready(this.place);
        this.callbacks.state("live");
    }

    private received(event: MessageEvent<string>, report: (after: Place, id: Place) => void): void {
        this.noteMessage();
        const id = readCursor(event.lastEventId);
        if (id === undefined) return;
        const after = this.place ?? { epoch: id.epoch, seq: Math.max(0, id.seq - 1) };
        // The server sends each event once per connection. Duplicates are dropped here.
        if (id.epoch !== after.epoch || id.seq < after.seq) return;
        this.place = id;
        report(after, id);
    }

    private reset(event: MessageEvent<string>): void {
        this.noteMessage();
        const id = readCursor(event.lastEventId);
        if (id === undefined) return;
        const requested = this.place;
        this.place = id;
        this.callbacks.reset(id, requested);
        this.callbacks.state("live");
    }

    private noteMessage(): void {
        this.lastMessageAt = this.surroundings.now();
        this.startWatchdog(this.limits.heartbeat * this.limits.watchdog);
    }

    private startWatchdog(seconds: number): void {
        this.surroundings.clearTimeout(this.watch);
        this.watch = this.surroundings.setTimeout(() => this.handleSilence(), seconds * 1000);
    }

    private handleError(source: Source): void {
        if (source.readyState !== CLOSED && this.readyAt !== undefined) {
            // The browser reconnects by itself after the server's `retry:` time. If that fails too, we retry more slowly.
            this.resetFailuresIfSteady();
            this.readyAt = undefined;
            this.startWatchdog(this.limits.patience);
            this.callbacks.state("catching_up");
            return;
        }
        const browserGaveUp = source.readyState === CLOSED;
        this.resetFailuresIfSteady();
        this.closeSource();
        if (browserGaveUp) void this.probe();
        else this.retryLater({ kind: "passing" });
    }

    private resetFailuresIfSteady(): void {
        const openFor = this.readyAt === undefined ? 0 : this.surroundings.now() - this.readyAt;
        if (openFor >= this.limits.steady * 1000) this.failures = 0;
    }

    /** The watchdog expired: the connection is dead, although the browser has not reported an error. */
    private handleSilence(): void {
        this.resetFailuresIfSteady();
        this.closeSource();
        this.retryLater({ kind: "passing" });
    }

    /** An EventSource does not show why it was refused. The same request with fetch does. */
    private async probe(): Promise<void> {
        const probing = new AbortController();
        this.probing = probing;
        const timeout = this.surroundings.setTimeout(() => probing.abort(), this.limits.patience * 1000);
        let diagnosis: Diagnosis = { kind: "passing" };
        try {
            const init: RequestInit = {
                method: "HEAD",
                credentials: this.credentials,
                cache: "no-store",
                signal: probing.signal,
            };
            const answer = await this.surroundings.fetch(this.url, init);
            diagnosis = diagnose(answer.status, answer.headers.get("Retry-After"), this.surroundings.now());
        } catch {
            // The network failed, which is temporary.
        }
        this.surroundings.clearTimeout(timeout);
        // The connection was closed or opened again in the meantime, so the result is out of date.
        if (this.probing !== probing) return;
        this.probing = undefined;
        this.retryLater(diagnosis);
    }

    private retryLater(diagnosis: Diagnosis): void {
        this.failures += 1;
        const chance = this.surroundings.random();
        let seconds = backoff(this.failures, this.limits, chance);
        if (diagnosis.kind === "signed_out" || diagnosis.kind === "refused") {
            seconds = this.limits.slowRetry;
            this.callbacks.state(diagnosis.kind, diagnosis.kind === "refused" ? diagnosis.status : undefined);
        } else {
            // Wait at least as long as the server asks, plus a random time, so that browsers do not all return at once.
            if (diagnosis.kind === "wait") {
                seconds = Math.min(diagnosis.seconds, this.limits.retryAfterMost) + chance * this.limits.backoffFirst;
            }
            this.callbacks.state("offline");
        }
        this.surroundings.clearTimeout(this.wait);
        this.wait = this.surroundings.setTimeout(() => this.connect(), seconds * 1000);
    }
}
