/** Everything of the browser that the client touches, in one object, so that tests bring their own; it must not know the client. */

export interface Source {
    readonly readyState: number;
    addEventListener(name: string, heard: (event: MessageEvent<string>) => void): void;
    close(): void;
}

export interface Channel {
    onmessage: ((event: { data: unknown }) => void) | null;
    postMessage(message: unknown): void;
    close(): void;
}

export interface LockOptions {
    readonly steal?: boolean;
    readonly signal?: AbortSignal;
}

export interface Locks {
    request(name: string, options: LockOptions, held: () => Promise<void>): Promise<unknown>;
}

export interface Answer {
    readonly status: number;
    readonly headers: { get(name: string): string | null };
}

export type Timer = unknown;

/** Times in milliseconds. */
export interface Surroundings {
    source(url: string): Source;
    fetch(url: string, init: RequestInit): Promise<Answer>;
    setTimeout(act: () => void, ms: number): Timer;
    clearTimeout(timer: Timer): void;
    now(): number;
    /** From 0 to 1, 1 excluded. */
    random(): number;
    visible(): boolean;
    /** Follow an event of the window or the document; the answer ends it. */
    listen(target: "window" | "document", name: string, heard: () => void): () => void;
    /** Where a handler's own fault goes: as if the stream had not stood in between. */
    report(fault: unknown): void;
    /** Missing outside a secure context. */
    readonly locks?: Locks | undefined;
    readonly channel?: ((name: string) => Channel) | undefined;
}

/** The browser itself. */
export function browser(withCredentials: boolean): Surroundings {
    return {
        source: url => new EventSource(url, { withCredentials }),
        fetch: (url, init) => fetch(url, init),
        setTimeout: (act, ms) => setTimeout(act, ms),
        clearTimeout: timer => clearTimeout(timer as number),
        now: () => Date.now(),
        random: () => Math.random(),
        visible: () => document.visibilityState === "visible",
        listen: (target, name, heard) => {
            const listened = target === "window" ? window : document;
            listened.addEventListener(name, heard);
            return () => listened.removeEventListener(name, heard);
        },
        report: fault => reportError(fault),
        locks: navigator.locks as Locks | undefined,
        channel: typeof BroadcastChannel === "function" ? name => new BroadcastChannel(name) as Channel : undefined,
    };
}
