/** Decides which tab has the connection: the holder of a Web Lock. The browser frees the lock when the tab closes or crashes. */

import type { Channel, Surroundings } from "./surroundings.js";

export interface LeadershipCallbacks {
    lead(): void;
    follow(): void;
    receive(message: unknown): void;
}

export class Leadership {
    leading = false;
    private channel: Channel | undefined;
    private waiting: AbortController | undefined;
    private release: (() => void) | undefined;
    /** Grows with each stop and each steal, so that a lock that comes too late is released. */
    private attempt = 0;

    constructor(
        private readonly surroundings: Surroundings,
        private readonly name: string,
        private readonly share: boolean,
        private readonly callbacks: LeadershipCallbacks,
    ) {}

    start(): void {
        const { locks, channel } = this.surroundings;
        if (!this.share || locks === undefined || channel === undefined) {
            this.leading = true;
            this.callbacks.lead();
            return;
        }
        this.channel = channel(this.name);
        this.channel.onmessage = event => this.callbacks.receive(event.data);
        // This tab follows until it gets the lock, which may be soon.
        this.callbacks.follow();
        this.requestLock(false);
    }

    /** Take the lock from a leader that is silent. */
    steal(): void {
        this.requestLock(true);
    }

    stop(): void {
        this.attempt += 1;
        this.leading = false;
        this.waiting?.abort();
        this.release?.();
        this.release = undefined;
        this.channel?.close();
        this.channel = undefined;
    }

    post(message: unknown): void {
        this.channel?.postMessage(message);
    }

    private requestLock(steal: boolean): void {
        this.attempt += 1;
        const attempt = this.attempt;
        // Cancel our own waiting request first. Otherwise this tab would wait behind itself.
        this.waiting?.abort();
        this.waiting = new AbortController();
        const onGranted = (): Promise<void> => {
            if (attempt !== this.attempt) return Promise.resolve();
            this.leading = true;
            this.callbacks.lead();
            return new Promise(resolve => {
                this.release = resolve;
            });
        };
        const options = steal ? { steal: true } : { signal: this.waiting.signal };
        (this.surroundings.locks as NonNullable<Surroundings["locks"]>).request(this.name, options, onGranted).then(
            () => undefined,
            (fault: unknown) => this.handleLoss(attempt, fault),
        );
    }

    private handleLoss(attempt: number, fault: unknown): void {
        if (attempt !== this.attempt) return;
        if ((fault as { name?: string } | undefined)?.name === "AbortError") {
            this.leading = false;
            this.release = undefined;
            this.callbacks.follow();
            this.requestLock(false);
            return;
        }
        // Locks do not work here, for example in a sandboxed frame. This tab opens its own connection.
        this.leading = true;
        this.callbacks.lead();
    }
}
