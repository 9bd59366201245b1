/** What a page uses: options in, typed events out. It must not know how tabs share a connection. */

import { type Place, readCursor, writeCursor } from "./cursor.js";
import { EVENT_NAMES, type EventName, readData, type VisitEvent, type VisitEvents } from "./events.js";
import { Handlers } from "./handlers.js";
import { type StreamLimits, withDefaults } from "./limits.js";
import type { StreamState } from "./state.js";
import { browser, type Surroundings } from "./surroundings.js";
import { Tab } from "./tab.js";

export interface VisitStreamOptions {
    /** Who is signed in, as `user_id` of `GET /api/session` says. Tabs share a connection only within one account. */
    readonly account: string;
    /** Default `/api/events`. */
    readonly url?: string;
    /** Default: all that the account may read. */
    readonly channels?: readonly string[];
    /** The `cursor` of the snapshot that the page shows. Without one the stream begins at now. */
    readonly from?: string;
    /** Events besides those of `VisitEvents`: an EventSource hears only names that it was told. */
    readonly names?: readonly string[];
    /** Default `same-origin`; `include` for an API of another origin. */
    readonly credentials?: "same-origin" | "include";
    /** False: a connection of this tab's own. Default true. */
    readonly share?: boolean;
    /** In seconds. */
    readonly limits?: Partial<StreamLimits>;
    /** For tests; default the browser. */
    readonly surroundings?: Surroundings;
}

/** The page shows what is no longer true: read the worklist again. `cursor` is where the stream goes on. */
export interface StreamReset {
    readonly cursor: string;
}

type AnyEvent = VisitEvent<Record<string, unknown>>;

export class VisitStream {
    private readonly named = new Map<string, Handlers<AnyEvent>>();
    private readonly any: Handlers<AnyEvent>;
    private readonly resets: Handlers<StreamReset>;
    private readonly states: Handlers<StreamState>;
    private readonly surroundings: Surroundings;
    private readonly limits: StreamLimits;
    private readonly names: readonly string[];
    private readonly tab: Tab;
    private readonly unlisten: (() => void)[] = [];
    private closed = false;

    /** Opens at once; handlers that are added in the same turn miss nothing. Throws TypeError for a `from` that is no cursor, RangeError for a wrong limit. */
    constructor(options: VisitStreamOptions) {
        const { credentials = "same-origin", url = "/api/events", channels, share = true } = options;
        const from = options.from === undefined ? undefined : readCursor(options.from);
        if (options.from !== undefined && from === undefined) throw new TypeError("`from` is no cursor");
        this.limits = withDefaults(options.limits);
        this.surroundings = options.surroundings ?? browser(credentials === "include");
        const report = (fault: unknown): void => this.surroundings.report(fault);
        this.any = new Handlers(report);
        this.resets = new Handlers(report);
        this.states = new Handlers(report);
        this.names = [...new Set([...EVENT_NAMES, ...(options.names ?? [])])];
        const asked = channels === undefined ? "" : `channels=${channels.map(encodeURIComponent).join(",")}`;
        const address = asked ? url + (url.includes("?") ? "&" : "?") + asked : url;
        // All that decides what a connection carries: tabs that differ in any of it cannot share one. The number is the tabs' own language.
        const lock = `visit-stream/1 ${JSON.stringify([address, options.account, [...this.names].sort()])}`;
        const tab = { url: address, lock, names: this.names, credentials, share, from };
        this.tab = new Tab(this.surroundings, this.limits, tab, {
            event: (name, id, text) => this.event(name, id, text),
            reset: place => this.resets.tell({ cursor: writeCursor(place) }),
            state: state => this.states.tell(state),
        });
        this.follow();
        this.tab.start();
    }

    get state(): StreamState {
        return this.tab.state;
    }

    /** Hear one kind of event; the answer ends it. */
    on<Name extends EventName>(name: Name, handler: (event: VisitEvent<VisitEvents[Name]>) => void): () => void;
    on(name: string, handler: (event: VisitEvent<Record<string, unknown>>) => void): () => void;
    on(name: string, handler: (event: never) => void): () => void {
        if (!this.names.includes(name)) throw new TypeError(`${name} is not among the stream's names`);
        let handlers = this.named.get(name);
        if (handlers === undefined) {
            handlers = new Handlers(fault => this.surroundings.report(fault));
            this.named.set(name, handlers);
        }
        return handlers.add(handler as (event: AnyEvent) => void);
    }

    /** Hear all events, those of `names` too. */
    onAny(handler: (event: VisitEvent<Record<string, unknown>>) => void): () => void {
        return this.any.add(handler);
    }

    onReset(handler: (reset: StreamReset) => void): () => void {
        return this.resets.add(handler);
    }

    /** Hear each change of state; `state` is the present one. */
    onState(handler: (state: StreamState) => void): () => void {
        return this.states.add(handler);
    }

    /** Connect now, as after signing in again. */
    retry(): void {
        this.tab.wake(0);
    }

    close(): void {
        this.closed = true;
        for (const end of this.unlisten) end();
        this.tab.stop();
        for (const handlers of [this.any, this.resets, this.states, ...this.named.values()]) handlers.clear();
    }

    private event(name: string, id: Place, text: string): void {
        const data = readData(name, text);
        // What cannot be read may have changed anything: the page must look for itself.
        if (data === undefined) {
            this.resets.tell({ cursor: writeCursor(id) });
            return;
        }
        const event = { name, id: writeCursor(id), data };
        this.named.get(name)?.tell(event);
        this.any.tell(event);
    }

    private follow(): void {
        const on = (target: "window" | "document", name: string, act: () => void): void => {
            this.unlisten.push(this.surroundings.listen(target, name, act));
        };
        on("document", "visibilitychange", () => {
            if (this.surroundings.visible()) this.tab.wake(this.limits.heartbeat * this.limits.staleOnView);
        });
        on("window", "online", () => this.tab.wake(0));
        on("window", "offline", () => this.tab.offline());
        // A page that is put away can neither lead nor listen; one that holds a lock could not be put away at all.
        on("window", "pagehide", () => this.tab.stop());
        on("window", "pageshow", () => this.takeUp());
        on("document", "freeze", () => this.tab.stop());
        on("document", "resume", () => this.takeUp());
    }

    private takeUp(): void {
        if (!this.closed) this.tab.start();
    }
}
