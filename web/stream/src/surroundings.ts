/** Every browser function that the client uses, in one object, so that tests can replace it. */

export interface Source {
    readonly readyState: number;
    addEventListener(name: string, handler: (event: MessageEvent<string>) => void): void;
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
    request(name: string, options: LockOptions, onGranted: () => Promise<void>): Promise<unknown>;
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
    setTimeout(callback: () => void, ms: number): Timer;
    clearTimeout(timer: Timer): void;
    now(): number;
    /** A number from 0 to 1, without 1. */
    random(): number;
    visible(): boolean;
    /** Listen to an event of the window or the document. Returns a function that stops it. */
    listen(target: "window" | "document", name: string, handler: () => void): () => void;
    /** Report an error of a handler, as the browser reports an uncaught error. */
    report(error: unknown): void;
    /** Undefined outside a secure context. */
    readonly locks?: Locks | undefined;
    readonly channel?: ((name: string) => Channel) | undefined;
}

/** The functions of the real browser. */
export function browser(withCredentials: boolean): Surroundings {
    return {
        source: url => new EventSource(url, { withCredentials }),
        fetch: (url, init) => fetch(url, init),
        setTimeout: (callback, ms) => setTimeout(callback, ms),
        clearTimeout: timer => clearTimeout(timer as number),
        now: () => Date.now(),
        random: () => Math.random(),
        visible: () => document.visibilityState === "visible",
        listen: (target, name, handler) => {
            const eventTarget = target === "window" ? window : document;
            eventTarget.addEventListener(name, handler);
            return () => eventTarget.removeEventListener(name, handler);
        },
        report: error => reportError(error),
        locks: navigator.locks as Locks | undefined,
        channel: typeof BroadcastChannel === "function" ? name => new BroadcastChannel(name) as Channel : undefined,
    };
}
