import { describe, expect, it } from "vitest";
import { numbers, type OpenTab, Site } from "./site.js";

/** Open one tab and wait until it is live. */
async function openLiveTab(): Promise<{ site: Site; tab: OpenTab }> {
    const site = new Site();
    const tab = site.open({ from: "e1-0" }, false);
    await site.pass(1);
    expect(tab.stream.state.name).toBe("live");
    return { site, tab };
}

describe("one tab", () => {
    it("starts after the snapshot's cursor and gets all later events", async () => {
        const site = new Site();
        for (const number of numbers(1, 5)) site.server.commit(number);

        const tab = site.open({ from: "e1-2" }, false);
        await site.pass(1);

        expect(tab.received).toEqual([3, 4, 5]);
        expect(tab.resets).toEqual([]);
    });

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

    it("reports a reset once and continues from there", async () => {
        const { site, tab } = await openLiveTab();
        site.server.restore("e2");
        site.server.commit(1);
        await site.pass(5);

        site.server.commit(2);
        await site.pass(1);

        expect(tab.resets).toEqual(["e2-1"]);
        expect(tab.received).toEqual([2]);
    });

    it("reports a reset when missed events were pruned", async () => {
        const { site, tab } = await openLiveTab();
        for (const stream of [...site.server.streams]) stream.end();
        site.server.commit(1);
        site.server.prune();

        await site.pass(5);

        expect(tab.resets).toEqual(["e1-1"]);
    });

    it("resets a snapshot that is ahead of the log", async () => {
        const site = new Site();
        const tab = site.open({ from: "e1-99" }, false);
        await site.pass(1);

        site.server.commit(1);
        await site.pass(1);

        expect(tab.resets).toEqual(["e1-0"]);
        expect(tab.received).toEqual([1]);
    });

    it("continues when a handler throws, and calls the other handlers", async () => {
        const { site, tab } = await openLiveTab();
        const patients: string[] = [];
        tab.stream.on("patient.updated", () => {
            throw new Error("an error of the page");
        });
        tab.stream.on("patient.updated", event => patients.push(event.data.patient_name));

        site.server.commit(1);
        site.server.commit(2);
        await site.pass(1);

        expect(tab.received).toEqual([1, 2]);
        expect(patients).toEqual(["John Doe", "John Doe"]);
        expect(tab.page.errors).toHaveLength(2);
    });

    it("reports a reset when an event is invalid", async () => {
        const { site, tab } = await openLiveTab();

        site.server.commit(1, "consultation.started");
        await site.pass(1);

        expect(tab.received).toEqual([]);
        expect(tab.resets).toEqual(["e1-1"]);
    });

    it("delivers configured names and rejects handlers for others", async () => {
        const site = new Site();
        const tab = site.open({ names: ["bed.moved"] }, false);
        const names: string[] = [];
        tab.stream.on("bed.moved", event => names.push(event.name));
        await site.pass(1);

        site.server.commit(1, "bed.moved");
        await site.pass(1);

        expect(names).toEqual(["bed.moved"]);
        expect(tab.received).toEqual([1]);
        expect(() => tab.stream.on("bed.sold", () => {})).toThrow("bed.sold");
    });

    it("sends its channels in the address", async () => {
        const site = new Site();
        site.open({ channels: ["consultations", "doctor.7"], from: "e1-0" }, false);

        expect(site.server.opened).toEqual(["/api/events?channels=consultations,doctor.7&last_event_id=e1-0"]);
    });

    it("rejects a start that is not a cursor", () => {
        expect(() => new Site().open({ from: "yesterday" })).toThrow(TypeError);
    });

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
