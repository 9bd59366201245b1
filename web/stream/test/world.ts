/** A browser with tabs, a network and a server with a log, on a clock that tests move; it must not know what a test proves. */

import type { Answer, Channel, LockOptions, Surroundings } from "../src/surroundings.js";

/** Chance that is the same in each run of one seed. */
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
    private readonly due = new Map<number, { at: number; act: () => void }>();

    later(ms: number, act: () => void): number {
        this.due.set(this.next, { at: this.now + ms, act });
        return this.next++;
    }

    cancel(timer: unknown): void {
        this.due.delete(timer as number);
    }

    /** Let time pass; promises that become ready are carried on at their moment. */
    async pass(seconds: number): Promise<void> {
        const end = this.now + seconds * 1000;
        for (;;) {
            for (let turn = 0; turn < 6; turn++) await Promise.resolve();
            const next = [...this.due].sort(([a, x], [b, y]) => x.at - y.at || a - b)[0];
            if (next === undefined || next[1].at > end) break;
            this.due.delete(next[0]);
            this.now = Math.max(this.now, next[1].at);
            next[1].act();
        }
        this.now = end;
    }
}

/** How the way to the server is: each kind is what a browser would see. */
export type Way =
    | { kind: "open" }
    | { kind: "unreachable" }
    /** Nothing arrives and nothing fails. */
    | { kind: "silent" }
    | { kind: "answers"; status: number; retryAfter?: string };

export const LOG_BEGINS = "e1";

/** The server: one log, and streams that begin behind a cursor. */
export class Server {
    way: Way = { kind: "open" };
    epoch = LOG_BEGINS;
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
            for (const one of this.streams) one.send("heartbeat", "{}", `${this.epoch}-${this.head}`);
            this.beat();
        });
    }

    /** Commit one event; the position of another channel's is passed over by these readers. */
    tell(number: number, name = "patient.updated", elsewhere = false): void {
        this.head += 1;
        if (elsewhere) return;
        const text = JSON.stringify({ patient_id: 1, patient_name: "John Doe", message: "", timestamp: "", number });
        const one = { seq: this.head, name, text };
        this.log.push(one);
        for (const stream of this.streams) stream.send(name, text, `${this.epoch}-${one.seq}`);
    }

    /** Forget all up to now. */
    prune(): void {
        this.log = [];
        this.oldest = this.head + 1;
    }

    /** Another log takes the place of this one; streams are ended, as the server does. */
    restore(epoch: string): void {
        this.epoch = epoch;
        this.log = [];
        this.oldest = 1;
        this.head = 0;
        for (const one of [...this.streams]) one.end();
    }

    begin(stream: FakeSource, cursor: string | null): void {
        const [epoch, text] = (cursor ?? "").split("-");
        const seq = Number(text);
        const exact = cursor === null || (epoch === this.epoch && seq >= this.oldest - 1 && seq <= this.head);
        const from = cursor !== null && exact ? seq : this.head;
        const at = `${this.epoch}-${from}`;
        const said = JSON.stringify({ resume: exact ? "exact" : "reset", cursor: at });
        stream.send("ready", said, exact ? at : undefined);
        if (!exact) stream.send("reset", "{}", at);
        for (const one of this.log.filter(({ seq: position }) => position > from)) {
            stream.send(one.name, one.text, `${this.epoch}-${one.seq}`);
        }
        this.streams.add(stream);
    }
}

export class FakeSource {
    readyState = 0;
    private readonly heard = new Map<string, ((event: MessageEvent<string>) => void)[]>();
    private lastId: string | null;
    private stuck = false;

    constructor(
        readonly server: Server,
        private readonly page: Page,
        readonly url: string,
        private readonly retry: number,
    ) {
        server.opened.push(url);
        this.lastId = new URL(url, "http://clinic").searchParams.get("last_event_id");
        this.reach();
    }

    private reach(): void {
        this.soon(() => {
            const { way } = this.server;
            if (way.kind === "open") {
                this.readyState = 1;
                this.stuck = false;
                this.server.begin(this, this.lastId);
            } else if (way.kind !== "silent") {
                this.readyState = way.kind === "answers" ? 2 : 0;
                this.dispatch("error");
                if (this.readyState === 0) this.comeBack();
            }
        });
    }

    private soon(act: () => void, ms = 5): void {
        this.server.clock.later(ms, () => this.page.run(() => this.readyState !== 2 && act()));
    }

    private comeBack(): void {
        this.soon(() => this.reach(), this.retry * 1000);
    }

    private dispatch(name: string, data = "", lastEventId = ""): void {
        for (const act of this.heard.get(name) ?? []) {
            if (this.readyState !== 2 || name === "error") act({ data, lastEventId } as MessageEvent<string>);
        }
    }

    addEventListener(name: string, act: (event: MessageEvent<string>) => void): void {
        this.heard.set(name, [...(this.heard.get(name) ?? []), act]);
    }

    send(name: string, data: string, id?: string): void {
        // A connection that lost anything delivers nothing behind it: TCP has no holes.
        this.stuck ||= this.server.way.kind === "silent";
        if (this.stuck) return;
        this.soon(() => {
            this.lastId = id ?? this.lastId;
            this.dispatch(name, data, this.lastId ?? "");
        });
    }

    /** The server ends the stream in order, or the connection breaks: the browser comes back by itself. */
    end(): void {
        this.server.streams.delete(this);
        this.soon(() => {
            this.readyState = 0;
            this.dispatch("error");
            this.comeBack();
        });
    }

    close(): void {
        this.readyState = 2;
        this.server.streams.delete(this);
    }
}

interface Request {
    page: Page;
    held: () => Promise<void>;
    refuse: (fault: unknown) => void;
}

const aborted = (): Error => Object.assign(new Error("aborted"), { name: "AbortError" });

/** Web Locks, shared by the pages of one browser. */
export class LockTable {
    private readonly holders = new Map<string, Request>();
    private readonly lines = new Map<string, Request[]>();

    request(page: Page, name: string, options: LockOptions, held: () => Promise<void>): Promise<void> {
        return new Promise((done, refuse) => {
            const request: Request = { page, held, refuse: fault => page.run(() => refuse(fault)) };
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
                    (this.lines.get(name) ?? []).filter(one => one !== request),
                );
                request.refuse(aborted());
            });
            this.next(name);
        });
    }

    private grant(name: string, request: Request, done: () => void = () => {}): void {
        this.holders.set(name, request);
        request.page.run(() => {
            void request.held().then(() => {
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

    /** A page is gone: its places and its lock are free. */
    forget(page: Page): void {
        for (const [name, line] of this.lines)
            this.lines.set(
                name,
                line.filter(one => one.page !== page),
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

/** One browser: its pages share locks, channels and the clock. */
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

/** One tab. A hung one runs nothing until it goes on; a dead one never. */
export class Page {
    readonly faults: unknown[] = [];
    visible = true;
    private life: "runs" | "hangs" | "dead" = "runs";
    private kept: (() => void)[] = [];
    private readonly cancelled = new WeakSet<object>();
    private readonly listening = new Map<string, Set<() => void>>();
    private readonly channels = new Set<{ name: string; channel: Channel }>();
    private readonly sources = new Set<FakeSource>();

    constructor(readonly browser: Browser) {}

    run(act: () => void): void {
        if (this.life === "runs") act();
        else if (this.life === "hangs") this.kept.push(act);
    }

    hang(): void {
        this.life = "hangs";
    }

    goOn(): void {
        this.life = "runs";
        for (const act of this.kept.splice(0)) act();
    }

    die(): void {
        this.life = "dead";
        for (const one of this.sources) one.close();
        this.channels.clear();
        this.browser.pages.delete(this);
        this.browser.locks.forget(this);
    }

    /** An event of window or document. */
    happens(name: string): void {
        this.run(() => {
            for (const act of [...(this.listening.get(name) ?? [])]) act();
        });
    }

    private channel(name: string): Channel {
        this.browser.names.add(name);
        const channel: Channel = {
            onmessage: null,
            postMessage: message => {
                const copy: unknown = structuredClone(message);
                for (const other of this.browser.pages) {
                    for (const one of other.channels) {
                        if (one.name === name && one.channel !== channel) other.receive(one, copy);
                    }
                }
            },
            close: () => {
                for (const one of this.channels) if (one.channel === channel) this.channels.delete(one);
            },
        };
        this.channels.add({ name, channel });
        return channel;
    }

    private receive(one: { name: string; channel: Channel }, data: unknown): void {
        this.browser.clock.later(1, () =>
            this.run(() => {
                if (this.channels.has(one)) one.channel.onmessage?.({ data });
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
            setTimeout: (act, ms) => {
                // Cancelled after its time, while the page hung, it must not run either.
                const timer = { at: 0 };
                timer.at = clock.later(ms, () => this.run(() => !this.cancelled.has(timer) && act()));
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
            listen: (_target, name, act) => {
                const heard = this.listening.get(name) ?? new Set();
                this.listening.set(name, heard.add(act));
                return () => heard.delete(act);
            },
            report: fault => this.faults.push(fault),
            locks: secure
                ? { request: (name, options, held) => browser.locks.request(this, name, options, held) }
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
                    const { way } = server;
                    if (way.kind === "unreachable") refuse(new TypeError("network"));
                    else if (way.kind === "open") answer({ status: 200, headers: new Headers() });
                    else if (way.kind === "answers") {
                        const headers = new Headers(way.retryAfter ? { "Retry-After": way.retryAfter } : {});
                        answer({ status: way.status, headers });
                    }
                }),
            );
        });
    }
}
