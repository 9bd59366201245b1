/** A fake server and browser, and tabs of one doctor with the events that each has received. */

import { expect } from "vitest";
import { VisitStream, type VisitStreamOptions } from "../src/index.js";
import { Browser, type Page } from "./browser.js";
import { Clock, seeded } from "./clock.js";
import { Server } from "./server.js";

export interface OpenTab {
    page: Page;
    stream: VisitStream;
    /** The numbers of the received events, in order. */
    received: number[];
    resets: string[];
    states: string[];
}

export class Site {
    readonly clock = new Clock();
    readonly server: Server;
    readonly browser: Browser;

    constructor(seed = 1, heartbeat = 15) {
        this.server = new Server(this.clock, heartbeat);
        this.browser = new Browser(this.clock, this.server, seeded(seed));
    }

    open(options: Partial<VisitStreamOptions> = {}, secure = true): OpenTab {
        const page = this.browser.page();
        const stream = new VisitStream({ account: "7", surroundings: page.surroundings(secure), ...options });
        const tab: OpenTab = { page, stream, received: [], resets: [], states: [] };
        stream.onAny(event => tab.received.push((event.data as { number: number }).number));
        stream.onReset(reset => tab.resets.push(reset.cursor));
        stream.onState(state => tab.states.push(state.name));
        return tab;
    }

    leader(tabs: readonly OpenTab[]): OpenTab {
        const holder = this.browser.locks.holder();
        const leader = tabs.find(tab => tab.page === holder);
        if (leader === undefined) throw new Error("no tab is the leader");
        return leader;
    }

    pass(seconds: number): Promise<void> {
        return this.clock.pass(seconds);
    }
}

export function numbers(from: number, to: number): number[] {
    return Array.from({ length: to - from + 1 }, (_, step) => from + step);
}

/** Open one tab and wait until it is live. */
export async function openLiveTab(): Promise<{ site: Site; tab: OpenTab }> {
    const site = new Site();
    const tab = site.open({ from: "e1-0" }, false);
    await site.pass(1);
    expect(tab.stream.state.name).toBe("live");
    return { site, tab };
}
