/** A fake server with a log, and its streams as a browser reads them. */

import type { Page } from "./browser.js";
import type { Clock } from "./clock.js";

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
