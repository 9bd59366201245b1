/** A fake browser with tabs. */

import type { Answer, Channel, Surroundings } from "../src/surroundings.js";
import type { Clock } from "./clock.js";
import { aborted, LockTable } from "./locks.js";
import { FakeSource, type Server } from "./server.js";

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
