/** Which tab has the connection: at most one at a time, by a lock that the browser frees when its holder dies. It must not know what is led. */

import type { Channel, Surroundings } from "./surroundings.js";

export interface Led {
    lead(): void;
    follow(): void;
    heard(message: unknown): void;
}

export class Leadership {
    leading = false;
    private channel: Channel | undefined;
    private waiting: AbortController | undefined;
    private free: (() => void) | undefined;
    /** Grows with each stop and theft, so that a lock that comes too late is given back. */
    private turn = 0;

    constructor(
        private readonly surroundings: Surroundings,
        private readonly name: string,
        private readonly share: boolean,
        private readonly led: Led,
    ) {}

    start(): void {
        const { locks, channel } = this.surroundings;
        if (!this.share || locks === undefined || channel === undefined) {
            this.leading = true;
            this.led.lead();
            return;
        }
        this.channel = channel(this.name);
        this.channel.onmessage = event => this.led.heard(event.data);
        // The lock may be ours within a moment; until then this tab listens.
        this.led.follow();
        this.queue(false);
    }

    /** Take the lead from a tab that holds the lock and says nothing. */
    steal(): void {
        this.queue(true);
    }

    stop(): void {
        this.turn += 1;
        this.leading = false;
        this.waiting?.abort();
        this.free?.();
        this.free = undefined;
        this.channel?.close();
        this.channel = undefined;
    }

    post(message: unknown): void {
        this.channel?.postMessage(message);
    }

    private queue(steal: boolean): void {
        this.turn += 1;
        const turn = this.turn;
        // Our own place in the line goes, or the thief would queue behind itself.
        this.waiting?.abort();
        this.waiting = new AbortController();
        const held = (): Promise<void> => {
            if (turn !== this.turn) return Promise.resolve();
            this.leading = true;
            this.led.lead();
            return new Promise(resolve => {
                this.free = resolve;
            });
        };
        const options = steal ? { steal: true } : { signal: this.waiting.signal };
        (this.surroundings.locks as NonNullable<Surroundings["locks"]>).request(this.name, options, held).then(
            () => undefined,
            (fault: unknown) => this.robbed(turn, fault),
        );
    }

    private robbed(turn: number, fault: unknown): void {
        if (turn !== this.turn) return;
        if ((fault as { name?: string } | undefined)?.name === "AbortError") {
            this.leading = false;
            this.free = undefined;
            this.led.follow();
            this.queue(false);
            return;
        }
        // No locks after all, as in a sandboxed frame: a connection of one's own is better than none.
        this.leading = true;
        this.led.lead();
    }
}
