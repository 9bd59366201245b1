/** The API for pages: options in, typed events out. */

import { type Place, readCursor, writeCursor } from "./cursor.js";
import { EVENT_NAMES, type EventName, readData, type VisitEvent, type VisitEvents } from "./events.js";
import { Handlers } from "./handlers.js";
import { type StreamLimits, withDefaults } from "./limits.js";
import type { StreamState } from "./state.js";
import { browser, type Surroundings } from "./surroundings.js";
import { Tab } from "./tab.js";

export interface VisitStreamOptions {
    /** The account that is signed in: `user_id` of `GET /api/session`. Only tabs of the same account share a connection. */
    readonly account: string;
    /** Default `/api/events`. */
    readonly url?: string;
    /** Default: all channels that the account may read. */
    readonly channels?: readonly string[];
    /** The `cursor` of the snapshot that the page shows. Without it the stream starts with the next event. */
    readonly from?: string;
    /** More event names than those of `VisitEvents`. An EventSource delivers only events that it listens to by name. */
    readonly names?: readonly string[];
    /** Default `same-origin`. Use `include` for an API on another origin. */
    readonly credentials?: "same-origin" | "include";
    /** False gives this tab its own connection. Default true. */
    readonly share?: boolean;
    /** In seconds. */
    readonly limits?: Partial<StreamLimits>;
    /** For tests. Default: the real browser. */
    readonly surroundings?: Surroundings;
}

/** The page is out of date and must read the worklist again. The stream continues at `cursor`. */
export interface StreamReset {
    readonly cursor: string;
}

type AnyEvent = VisitEvent<Record<string, unknown>>;

export class VisitStream {
    private readonly handlersByName = new Map<string, Handlers<AnyEvent>>();
    private readonly anyHandlers: Handlers<AnyEvent>;
    private readonly resetHandlers: Handlers<StreamReset>;
    private readonly stateHandlers: Handlers<StreamState>;
    private readonly surroundings: Surroundings;
    private readonly limits: StreamLimits;
    private readonly names: readonly string[];
    private readonly tab: Tab;
    private readonly unlisten: (() => void)[] = [];
    private closed = false;

    /** Connects at once. Handlers that are added in the same turn of the event loop miss nothing. Throws TypeError for an invalid `from` and RangeError for an invalid limit. */
    constructor(options: VisitStreamOptions) {
        const { credentials = "same-origin", url = "/api/events", channels, share = true } = options;
        const from = options.from === undefined ? undefined : readCursor(options.from);
        if (options.from !== undefined && from === undefined) throw new TypeError("`from` is not a cursor");
        this.limits = withDefaults(options.limits);
        this.surroundings = options.surroundings ?? browser(credentials === "include");
        const report = (error: unknown): void => this.surroundings.report(error);
        this.anyHandlers = new Handlers(report);
        this.resetHandlers = new Handlers(report);
        this.stateHandlers = new Handlers(report);
        this.names = [...new Set([...EVENT_NAMES, ...(options.names ?? [])])];
        const query = channels === undefined ? "" : `channels=${channels.map(encodeURIComponent).join(",")}`;
        const address = query ? url + (url.includes("?") ? "&" : "?") + query : url;
        // Everything that decides what a connection carries. Tabs that differ in it cannot share one. The number is the version of the tab messages.
        const lock = `visit-stream/1 ${JSON.stringify([address, options.account, [...this.names].sort()])}`;
        const tab = { url: address, lock, names: this.names, credentials, share, from };
        this.tab = new Tab(this.surroundings, this.limits, tab, {
            event: (name, id, text) => this.event(name, id, text),
            reset: place => this.resetHandlers.call({ cursor: writeCursor(place) }),
            state: state => this.stateHandlers.call(state),
        });
        this.listenToPage();
        this.tab.start();
    }

    get state(): StreamState {
        return this.tab.state;
    }

    /** Handle one kind of event. Returns a function that removes the handler. */
    on<Name extends EventName>(name: Name, handler: (event: VisitEvent<VisitEvents[Name]>) => void): () => void;
    on(name: string, handler: (event: VisitEvent<Record<string, unknown>>) => void): () => void;
    on(name: string, handler: (event: never) => void): () => void {
        if (!this.names.includes(name)) throw new TypeError(`${name} is not among the stream's names`);
        let handlers = this.handlersByName.get(name);
        if (handlers === undefined) {
            handlers = new Handlers(error => this.surroundings.report(error));
            this.handlersByName.set(name, handlers);
        }
        return handlers.add(handler as (event: AnyEvent) => void);
    }

    /** Handle all events, including those of `names`. */
    onAny(handler: (event: VisitEvent<Record<string, unknown>>) => void): () => void {
        return this.anyHandlers.add(handler);
    }

    onReset(handler: (reset: StreamReset) => void): () => void {
        return this.resetHandlers.add(handler);
    }

    /** Handle each change of state. `state` is the current one. */
    onState(handler: (state: StreamState) => void): () => void {
        return this.stateHandlers.add(handler);
    }

    /** Connect now, for example after a new sign-in. */
    retry(): void {
        this.tab.wake(0);
    }

    close(): void {
        this.closed = true;
        for (const stopListening of this.unlisten) stopListening();
        this.tab.stop();
        for (const handlers of [
            this.anyHandlers,
            this.resetHandlers,
            this.stateHandlers,
            ...this.handlersByName.values(),
        ])
            handlers.clear();
    }

    private event(name: string, id: Place, text: string): void {
        const data = readData(name, text);
        // An invalid event may have changed anything, so the page must read again.
        if (data === undefined) {
            this.resetHandlers.call({ cursor: writeCursor(id) });
            return;
        }
        const event = { name, id: writeCursor(id), data };
        this.handlersByName.get(name)?.call(event);
        this.anyHandlers.call(event);
    }

    private listenToPage(): void {
        const on = (target: "window" | "document", name: string, handler: () => void): void => {
            this.unlisten.push(this.surroundings.listen(target, name, handler));
        };
        on("document", "visibilitychange", () => {
            if (this.surroundings.visible()) this.tab.wake(this.limits.heartbeat * this.limits.staleOnView);
        });
        on("window", "online", () => this.tab.wake(0));
        on("window", "offline", () => this.tab.offline());
        // A page in the back/forward cache can neither lead nor listen. A page that holds a lock could not enter the cache.
        on("window", "pagehide", () => this.tab.stop());
        on("window", "pageshow", () => this.restart());
        on("document", "freeze", () => this.tab.stop());
        on("document", "resume", () => this.restart());
    }

    private restart(): void {
        if (!this.closed) this.tab.start();
    }
}
