/** Who wants to hear what; a handler that throws stops neither the others nor the stream. It must not know what is heard. */

export class Handlers<Told> {
    private readonly all = new Map<object, (told: Told) => void>();

    constructor(private readonly report: (fault: unknown) => void) {}

    /** The answer ends it. */
    add(handler: (told: Told) => void): () => void {
        const key = {};
        this.all.set(key, handler);
        return () => {
            this.all.delete(key);
        };
    }

    tell(told: Told): void {
        for (const handler of [...this.all.values()]) {
            try {
                handler(told);
            } catch (fault) {
                this.report(fault);
            }
        }
    }

    clear(): void {
        this.all.clear();
    }
}
