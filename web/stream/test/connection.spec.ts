import { describe, expect, it } from "vitest";
import { openLiveTab } from "./site.js";

describe("the connection of one tab", () => {
    it("lets the browser reconnect when the server ends the stream, and gets each event once", async () => {
        const { site, tab } = await openLiveTab();
        site.server.commit(1);
        await site.pass(1);

        for (const stream of [...site.server.streams]) stream.end();
        site.server.commit(2);
        await site.pass(5);

        expect(tab.received).toEqual([1, 2]);
        expect(site.server.opened).toHaveLength(1);
        expect(tab.states).toEqual(["live", "catching_up", "live"]);
    });

    it("retries more slowly when the browser's reconnect fails too", async () => {
        const { site, tab } = await openLiveTab();
        site.server.network = { kind: "unreachable" };
        for (const stream of [...site.server.streams]) stream.end();
        await site.pass(600);
        const attempts = site.server.opened.length;

        site.server.commit(1);
        site.server.network = { kind: "open" };
        await site.pass(31);

        expect(attempts).toBeLessThan(80);
        expect(tab.received).toEqual([1]);
        expect(tab.states.slice(0, 3)).toEqual(["live", "catching_up", "offline"]);
        expect(tab.stream.state.name).toBe("live");
    });

    it("shows since when the server is silent", async () => {
        const { site, tab } = await openLiveTab();
        const silentSince = site.clock.now;

        site.server.network = { kind: "silent" };
        await site.pass(60);

        expect(tab.stream.state.name).toBe("offline");
        expect(tab.stream.state.since).toBeLessThanOrEqual(silentSince);
        expect(tab.stream.state.since).toBeGreaterThan(silentSince - 1500);
    });

    it("reconnects after 2.5 heartbeats of silence", async () => {
        const { site, tab } = await openLiveTab();
        site.server.network = { kind: "silent" };
        await site.pass(36);
        site.server.commit(1);
        site.server.network = { kind: "open" };
        expect(site.server.opened).toHaveLength(1);

        await site.pass(3);

        expect(site.server.opened).toHaveLength(2);
        expect(tab.received).toEqual([1]);
    });

    it("stays open with heartbeats only, and resumes at their cursor", async () => {
        const { site, tab } = await openLiveTab();
        site.server.commit(1, "patient.updated", true);
        await site.pass(400);
        expect(site.server.opened).toHaveLength(1);

        site.server.network = { kind: "silent" };
        await site.pass(60);

        expect(site.server.opened.at(-1)).toBe("/api/events?last_event_id=e1-1");
        expect(tab.received).toEqual([]);
    });

    it.each([
        [401, "signed_out", undefined],
        [403, "refused", 403],
        [422, "refused", 422],
    ])("stops after %d with state %s, and retries on request", async (status, name, shownStatus) => {
        const { site, tab } = await openLiveTab();
        site.server.network = { kind: "answers", status };
        for (const stream of [...site.server.streams]) stream.end();
        await site.pass(250);
        expect(tab.stream.state).toMatchObject(shownStatus === undefined ? { name } : { name, status: shownStatus });
        expect(site.server.opened).toHaveLength(1);

        site.server.network = { kind: "open" };
        tab.stream.retry();
        await site.pass(1);

        expect(tab.stream.state.name).toBe("live");
    });

    it("retries slowly by itself after a refusal", async () => {
        const { site, tab } = await openLiveTab();
        site.server.network = { kind: "answers", status: 403 };
        for (const stream of [...site.server.streams]) stream.end();
        await site.pass(10);

        site.server.network = { kind: "open" };
        await site.pass(300);

        expect(tab.stream.state.name).toBe("live");
    });

    it.each([429, 503])("waits after %d as long as the server asks", async status => {
        const { site, tab } = await openLiveTab();
        site.server.network = { kind: "answers", status, retryAfter: "40" };
        for (const stream of [...site.server.streams]) stream.end();
        await site.pass(2.1);
        site.server.network = { kind: "open" };
        await site.pass(39);
        expect(site.server.opened).toHaveLength(1);

        await site.pass(3);

        expect(tab.stream.state.name).toBe("live");
    });

    it("ignores a Retry-After beyond its limit", async () => {
        const { site, tab } = await openLiveTab();
        site.server.network = { kind: "answers", status: 503, retryAfter: "999999" };
        for (const stream of [...site.server.streams]) stream.end();
        await site.pass(3);
        site.server.network = { kind: "open" };

        await site.pass(302);

        expect(tab.stream.state.name).toBe("live");
    });

    it.each([200, 404, 502, 504])("reconnects after %d, even when the problem lasts for hours", async status => {
        const { site, tab } = await openLiveTab();
        site.server.network = { kind: "answers", status };
        for (const stream of [...site.server.streams]) stream.end();
        await site.pass(7200);
        site.server.commit(1);

        site.server.network = { kind: "open" };
        await site.pass(31);

        expect(tab.received).toEqual([1]);
        expect(site.server.opened.length).toBeLessThan(700);
    });
});
