/** A list of handlers. A handler that throws stops neither the other handlers nor the stream. */

export class Handlers<Value> {
    private readonly all = new Map<object, (value: Value) => void>();

    constructor(private readonly report: (fault: unknown) => void) {}

    /** Returns a function that removes the handler. */
    add(handler: (value: Value) => void): () => void {
        const key = {};
        this.all.set(key, handler);
        return () => {
            this.all.delete(key);
        };
    }

    call(value: Value): void {
        for (const handler of [...this.all.values()]) {
            try {
                handler(value);
            } catch (fault) {
                this.report(fault);
            }
        }
    }

    clear(): void {
        this.all.clear();
    }
}
