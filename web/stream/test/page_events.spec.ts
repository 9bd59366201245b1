import { describe, expect, it } from "vitest";
import { openLiveTab } from "./site.js";

describe("one tab, on events of the page", () => {
    it("reconnects when it becomes visible after a long silence only", async () => {
        const { site, tab } = await openLiveTab();
        site.server.network = { kind: "silent" };
        await site.pass(10);
        tab.page.dispatch("visibilitychange");
        expect(site.server.opened).toHaveLength(1);
        await site.pass(10);

        tab.page.dispatch("visibilitychange");

        expect(site.server.opened).toHaveLength(2);
    });

    it("does nothing when it becomes hidden", async () => {
        const { site, tab } = await openLiveTab();
        site.server.network = { kind: "silent" };
        await site.pass(20);
        tab.page.visible = false;

        tab.page.dispatch("visibilitychange");

        expect(site.server.opened).toHaveLength(1);
    });

    it("shows offline with the browser, and reconnects at once when online", async () => {
        const { site, tab } = await openLiveTab();
        await site.pass(2);
        tab.page.dispatch("offline");
        expect(tab.stream.state.name).toBe("offline");

        tab.page.dispatch("online");
        await site.pass(0.1);

        expect(site.server.opened).toHaveLength(2);
        expect(tab.stream.state.name).toBe("live");
    });

    it("disconnects in the page cache and gets missed events afterwards", async () => {
        const { site, tab } = await openLiveTab();
        tab.page.dispatch("pagehide");
        await site.pass(1);
        expect(site.server.streams.size).toBe(0);
        site.server.commit(1);

        tab.page.dispatch("pageshow");
        await site.pass(1);

        expect(tab.received).toEqual([1]);
    });

    it("stays closed after close", async () => {
        const { site, tab } = await openLiveTab();
        tab.stream.close();
        tab.page.dispatch("pageshow");
        tab.page.dispatch("online");
        tab.stream.retry();
        site.server.commit(1);
        await site.pass(100);

        expect(tab.received).toEqual([]);
        expect(site.server.streams.size).toBe(0);
    });
});
