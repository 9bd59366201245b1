/** Tabs of one doctor as tests open them, each with what it has heard; it must not know what a test proves. */

import { VisitStream, type VisitStreamOptions } from "../src/index.js";
import { Browser, Clock, type Page, Server, seeded } from "./world.js";

export interface Opened {
    page: Page;
    stream: VisitStream;
    /** The numbers of the events that were heard, in order. */
    heard: number[];
    resets: string[];
    states: string[];
}

export class Clinic {
    readonly clock = new Clock();
    readonly server: Server;
    readonly browser: Browser;

    constructor(seed = 1, heartbeat = 15) {
        this.server = new Server(this.clock, heartbeat);
        this.browser = new Browser(this.clock, this.server, seeded(seed));
    }

    open(options: Partial<VisitStreamOptions> = {}, secure = true): Opened {
        const page = this.browser.page();
        const stream = new VisitStream({ account: "7", surroundings: page.surroundings(secure), ...options });
        const opened: Opened = { page, stream, heard: [], resets: [], states: [] };
        stream.onAny(event => opened.heard.push((event.data as { number: number }).number));
        stream.onReset(reset => opened.resets.push(reset.cursor));
        stream.onState(state => opened.states.push(state.name));
        return opened;
    }

    leader(tabs: readonly Opened[]): Opened {
        const holder = this.browser.locks.holder();
        const found = tabs.find(tab => tab.page === holder);
        if (found === undefined) throw new Error("no tab leads");
        return found;
    }

    pass(seconds: number): Promise<void> {
        return this.clock.pass(seconds);
    }
}

export function numbers(from: number, to: number): number[] {
    return Array.from({ length: to - from + 1 }, (_, step) => from + step);
}
