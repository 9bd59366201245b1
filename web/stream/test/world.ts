/** A fake browser with tabs, a network, and a server with a log. Tests move their clock. */

import type { Answer, Channel, LockOptions, Surroundings } from "../src/surroundings.js";

/** A random number generator that repeats its numbers for one seed. */
export function seeded(seed: number): () => number {
    let state = seed;
    return () => {
        state = (state + 0x6d2b79f5) | 0;
        let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
        mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
        return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
    };
}

export class Clock {
    now = 1_000_000;
    private next = 1;
    private readonly due = new Map<number, { at: number; callback: () => void }>();

    later(ms: number, callback: () => void): number {
        this.due.set(this.next, { at: this.now + ms, callback });
        return this.next++;
    }

    cancel(timer: unknown): void {
        this.due.delete(timer as number);
    }

    /** Let time pass. Promises continue at the time when they are ready. */
    async pass(seconds: number): Promise<void> {
        const end = this.now + seconds * 1000;
        for (;;) {
            for (let turn = 0; turn < 6; turn++) await Promise.resolve();
            const next = [...this.due].sort(([a, x], [b, y]) => x.at - y.at || a - b)[0];
            if (next === undefined || next[1].at > end) break;
            this.due.delete(next[0]);
            this.now = Math.max(this.now, next[1].at);
            next[1].callback();
        }
        this.now = end;
    }
}

/** The state of the network, as a browser sees it. */
export type NetworkState =
    | { kind: "open" }
    | { kind: "unreachable" }
    /** Nothing arrives and nothing fails. */
    | { kind: "silent" }
    | { kind: "answers"; status: number; retryAfter?: string };

export const FIRST_EPOCH = "e1";

/** The server: one log, and streams that start after a cursor. */
export class Server {
    network: NetworkState = { kind: "open" };
    epoch = FIRST_EPOCH;
    log: { seq: number; name: string; text: string }[] = [];
    oldest = 1;
    head = 0;
    readonly streams = new Set<FakeSource>();
    opened: string[] = [];
    probes = 0;

    constructor(
        readonly clock: Clock,
        readonly heartbeat: number,
    ) {
        this.beat();
    }

    private beat(): void {
        this.clock.later(this.heartbeat * 1000, () => {
            for (const stream of this.streams) stream.send("heartbeat", "{}", `${this.epoch}-${this.head}`);
            this.beat();
        });
    }

    /** Commit one event. An event of another channel uses a position, but these subscribers do not receive it. */
    commit(number: number, name = "patient.updated", otherChannel = false): void {
        this.head += 1;
        if (otherChannel) return;
        const text = JSON.stringify({ patient_id: 1, patient_name: "John Doe", message: "", timestamp: "", number });
        const event = { seq: this.head, name, text };
        this.log.push(event);
        for (const stream of this.streams) stream.send(name, text, `${this.epoch}-${event.seq}`);
    }

    /** Delete all events of the log. */
    prune(): void {
        this.log = [];
        this.oldest = this.head + 1;
    }

    /** Replace the log and end all streams, as the server does. */
    restore(epoch: string): void {
        this.epoch = epoch;
        this.log = [];
        this.oldest = 1;
        this.head = 0;
        for (const stream of [...this.streams]) stream.end();
    }

    begin(stream: FakeSource, cursor: string | null): void {
        const [epoch, text] = (cursor ?? "").split("-");
        const seq = Number(text);
        const exact = cursor === null || (epoch === this.epoch && seq >= this.oldest - 1 && seq <= this.head);
        const from = cursor !== null && exact ? seq : this.head;
        const at = `${this.epoch}-${from}`;
        const ready = JSON.stringify({ resume: exact ? "exact" : "reset", cursor: at });
        stream.send("ready", ready, exact ? at : undefined);
        if (!exact) stream.send("reset", "{}", at);
        for (const event of this.log.filter(({ seq: position }) => position > from)) {
            stream.send(event.name, event.text, `${this.epoch}-${event.seq}`);
        }
        this.streams.add(stream);
    }
}

export class FakeSource {
    readyState = 0;
    private readonly handlers = new Map<string, ((event: MessageEvent<string>) => void)[]>();
    private lastId: string | null;
    private stuck = false;

    constructor(
        readonly server: Server,
        private readonly page: Page,
        readonly url: string,
        private readonly retry: number,
    ) {
        server.opened.push(url);
        this.lastId = new URL(url, "http://test").searchParams.get("last_event_id");
        this.connect();
    }

    private connect(): void {
        this.soon(() => {
            const { network } = this.server;
            if (network.kind === "open") {
                this.readyState = 1;
                this.stuck = false;
                this.server.begin(this, this.lastId);
            } else if (network.kind !== "silent") {
                this.readyState = network.kind === "answers" ? 2 : 0;
                this.dispatch("error");
                if (this.readyState === 0) this.reconnect();
            }
        });
    }

    private soon(callback: () => void, ms = 5): void {
        this.server.clock.later(ms, () => this.page.run(() => this.readyState !== 2 && callback()));
    }

    private reconnect(): void {
        this.soon(() => this.connect(), this.retry * 1000);
    }

    private dispatch(name: string, data = "", lastEventId = ""): void {
        for (const handler of this.handlers.get(name) ?? []) {
            if (this.readyState !== 2 || name === "error") handler({ data, lastEventId } as MessageEvent<string>);
        }
    }

    addEventListener(name: string, handler: (event: MessageEvent<string>) => void): void {
        this.handlers.set(name, [...(this.handlers.get(name) ?? []), handler]);
    }

    send(name: string, data: string, id?: string): void {
        // After a loss, a connection delivers nothing more, because TCP has no gaps.
        this.stuck ||= this.server.network.kind === "silent";
        if (this.stuck) return;
        this.soon(() => {
            this.lastId = id ?? this.lastId;
            this.dispatch(name, data, this.lastId ?? "");
        });
    }

    /** The server ends the stream or the connection breaks. The browser reconnects by itself. */
    end(): void {
        this.server.streams.delete(this);
        this.soon(() => {
            this.readyState = 0;
            this.dispatch("error");
            this.reconnect();
        });
    }

    close(): void {
        this.readyState = 2;
        this.server.streams.delete(this);
    }
}

interface Request {
    page: Page;
    onGranted: () => Promise<void>;
    refuse: (error: unknown) => void;
}

const aborted = (): Error => Object.assign(new Error("aborted"), { name: "AbortError" });

/** Web Locks, shared by the pages of one browser. */
export class LockTable {
    private readonly holders = new Map<string, Request>();
    private readonly lines = new Map<string, Request[]>();

    request(page: Page, name: string, options: LockOptions, onGranted: () => Promise<void>): Promise<void> {
        return new Promise((done, refuse) => {
            const request: Request = { page, onGranted, refuse: error => page.run(() => refuse(error)) };
            if (options.steal) {
                this.holders.get(name)?.refuse(aborted());
                this.grant(name, request, done);
                return;
            }
            const line = this.lines.get(name) ?? [];
            this.lines.set(name, [...line, request]);
            options.signal?.addEventListener("abort", () => {
                this.lines.set(
                    name,
                    (this.lines.get(name) ?? []).filter(other => other !== request),
                );
                request.refuse(aborted());
            });
            this.next(name);
        });
    }

    private grant(name: string, request: Request, done: () => void = () => {}): void {
        this.holders.set(name, request);
        request.page.run(() => {
            void request.onGranted().then(() => {
                if (this.holders.get(name) === request) this.holders.delete(name);
                done();
                this.next(name);
            });
        });
    }

    next(name: string): void {
        const line = this.lines.get(name) ?? [];
        const first = line[0];
        if (this.holders.has(name) || first === undefined) return;
        this.lines.set(name, line.slice(1));
        this.grant(name, first);
    }

    /** Remove a closed page: its requests and its lock become free. */
    forget(page: Page): void {
        for (const [name, line] of this.lines)
            this.lines.set(
                name,
                line.filter(request => request.page !== page),
            );
        for (const [name, holder] of [...this.holders]) {
            if (holder.page === page) {
                this.holders.delete(name);
                this.next(name);
            }
        }
    }

    holder(): Page | undefined {
        return [...this.holders.values()][0]?.page;
    }
}

/** One browser. Its pages share locks, channels and the clock. */
export class Browser {
    readonly locks = new LockTable();
    readonly pages = new Set<Page>();
    readonly names = new Set<string>();

    constructor(
        readonly clock: Clock,
        readonly server: Server,
        readonly chance: () => number,
        readonly retry = 2,
    ) {}

    page(): Page {
        const page = new Page(this);
        this.pages.add(page);
        return page;
    }
}

/** One tab. A hanging tab runs nothing until it wakes up. A crashed tab never runs again. */
export class Page {
    readonly errors: unknown[] = [];
    visible = true;
    private life: "runs" | "hangs" | "crashed" = "runs";
    private delayed: (() => void)[] = [];
    private readonly cancelled = new WeakSet<object>();
    private readonly handlers = new Map<string, Set<() => void>>();
    private readonly channels = new Set<{ name: string; channel: Channel }>();
    private readonly sources = new Set<FakeSource>();

    constructor(readonly browser: Browser) {}

    run(callback: () => void): void {
        if (this.life === "runs") callback();
        else if (this.life === "hangs") this.delayed.push(callback);
    }

    hang(): void {
        this.life = "hangs";
    }

    wakeUp(): void {
        this.life = "runs";
        for (const callback of this.delayed.splice(0)) callback();
    }

    crash(): void {
        this.life = "crashed";
        for (const source of this.sources) source.close();
        this.channels.clear();
        this.browser.pages.delete(this);
        this.browser.locks.forget(this);
    }

    /** Dispatch an event of window or document. */
    dispatch(name: string): void {
        this.run(() => {
            for (const handler of [...(this.handlers.get(name) ?? [])]) handler();
        });
    }

    private channel(name: string): Channel {
        this.browser.names.add(name);
        const channel: Channel = {
            onmessage: null,
            postMessage: message => {
                const copy: unknown = structuredClone(message);
                for (const other of this.browser.pages) {
                    for (const entry of other.channels) {
                        if (entry.name === name && entry.channel !== channel) other.receive(entry, copy);
                    }
                }
            },
            close: () => {
                for (const entry of this.channels) if (entry.channel === channel) this.channels.delete(entry);
            },
        };
        this.channels.add({ name, channel });
        return channel;
    }

    private receive(entry: { name: string; channel: Channel }, data: unknown): void {
        this.browser.clock.later(1, () =>
            this.run(() => {
                if (this.channels.has(entry)) entry.channel.onmessage?.({ data });
            }),
        );
    }

    surroundings(secure = true): Surroundings {
        const { browser } = this;
        const { clock, server } = browser;
        return {
            source: url => {
                const source = new FakeSource(server, this, url, browser.retry);
                this.sources.add(source);
                return source;
            },
            fetch: (_url, init) => this.fetch(init),
            setTimeout: (callback, ms) => {
                // A timer that is cancelled while the page hangs must not run, even after its time.
                const timer = { at: 0 };
                timer.at = clock.later(ms, () => this.run(() => !this.cancelled.has(timer) && callback()));
                return timer;
            },
            clearTimeout: timer => {
                if (timer === undefined) return;
                this.cancelled.add(timer as object);
                clock.cancel((timer as { at: number }).at);
            },
            now: () => clock.now,
            random: browser.chance,
            visible: () => this.visible,
            listen: (_target, name, handler) => {
                const handlers = this.handlers.get(name) ?? new Set();
                this.handlers.set(name, handlers.add(handler));
                return () => handlers.delete(handler);
            },
            report: error => this.errors.push(error),
            locks: secure
                ? { request: (name, options, onGranted) => browser.locks.request(this, name, options, onGranted) }
                : undefined,
            channel: secure ? name => this.channel(name) : undefined,
        };
    }

    private fetch(init: RequestInit): Promise<Answer> {
        const { server, clock } = this.browser;
        server.probes += 1;
        return new Promise((answer, refuse) => {
            init.signal?.addEventListener("abort", () => refuse(aborted()));
            clock.later(5, () =>
                this.run(() => {
                    const { network } = server;
                    if (network.kind === "unreachable") refuse(new TypeError("network"));
                    else if (network.kind === "open") answer({ status: 200, headers: new Headers() });
                    else if (network.kind === "answers") {
                        const headers = new Headers(network.retryAfter ? { "Retry-After": network.retryAfter } : {});
                        answer({ status: network.status, headers });
                    }
                }),
            );
        });
    }
}
