/** A clock that tests move, and random numbers that repeat. */

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
