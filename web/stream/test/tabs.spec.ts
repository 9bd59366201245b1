import { describe, expect, it } from "vitest";
import { numbers, type OpenTab, Site } from "./site.js";

async function openTabs(count: number, seed = 1): Promise<{ site: Site; all: OpenTab[] }> {
    const site = new Site(seed);
    const all = Array.from({ length: count }, () => site.open({ from: "e1-0" }));
    await site.pass(1);
    return { site, all };
}

describe("tabs of one account", () => {
    it("share one stream, and each gets every event once", async () => {
        const { site, all } = await openTabs(7);

        for (const number of numbers(1, 20)) site.server.commit(number);
        await site.pass(1);

        expect(site.server.streams.size).toBe(1);
        for (const tab of all) {
            expect(tab.received).toEqual(numbers(1, 20));
            expect(tab.stream.state.name).toBe("live");
        }
    });

    it("do not share with other accounts, channels or names, and no name contains a patient", async () => {
        const { site } = await openTabs(2);
        site.open({ account: "8" });
        site.open({ channels: ["consultations"] });
        site.open({ names: ["bed.moved"] });
        site.server.commit(1);
        await site.pass(1);

        expect(site.server.streams.size).toBe(4);
        expect([...site.browser.names].filter(name => name.includes("Doe"))).toEqual([]);
    });

    it("have their own connections without locks", async () => {
        const site = new Site();
        const all = [site.open({}, false), site.open({}, false)];
        await site.pass(1);

        site.server.commit(1);
        await site.pass(1);

        expect(site.server.streams.size).toBe(2);
        for (const tab of all) expect(tab.received).toEqual([1]);
    });

    it("have their own connections when sharing is off", async () => {
        const site = new Site();
        site.open({ share: false });
        site.open({ share: false });
        await site.pass(1);

        expect(site.server.streams.size).toBe(2);
    });

    it.each(["closed", "crashed"])("continue when the leader is %s", async how => {
        const { site, all } = await openTabs(3);
        site.server.commit(1);
        await site.pass(1);
        const leader = site.leader(all);

        if (how === "crashed") leader.page.crash();
        else leader.stream.close();
        site.server.commit(2);
        await site.pass(1);
        site.server.commit(3);
        await site.pass(1);

        for (const tab of all.filter(tab => tab !== leader)) expect(tab.received).toEqual([1, 2, 3]);
        expect(site.server.streams.size).toBe(1);
    });

    it("replace a hanging leader, which follows when it wakes up", async () => {
        const { site, all } = await openTabs(3);
        const hung = site.leader(all);
        hung.page.hang();
        site.server.commit(1);
        await site.pass(60);
        for (const tab of all.filter(tab => tab !== hung)) expect(tab.received).toEqual([1]);

        hung.page.wakeUp();
        await site.pass(20);
        site.server.commit(2);
        await site.pass(1);

        for (const tab of all) expect(tab.received).toEqual([1, 2]);
        expect(site.server.streams.size).toBe(1);
        expect(site.leader(all)).not.toBe(hung);
    });

    it("do not replace a leader that waits for the server", async () => {
        const { site, all } = await openTabs(3);
        const leader = site.leader(all);
        site.server.network = { kind: "unreachable" };
        for (const stream of [...site.server.streams]) stream.end();

        await site.pass(600);

        expect(site.leader(all)).toBe(leader);
        for (const tab of all) expect(tab.stream.state.name).toBe("offline");
    });

    it("get events since an older snapshot with one reconnect for all", async () => {
        const { site, all } = await openTabs(2);
        for (const number of numbers(1, 9)) site.server.commit(number);
        await site.pass(1);
        const openedBefore = site.server.opened.length;

        const newTabs = [site.open({ from: "e1-4" }), site.open({ from: "e1-6" })];
        await site.pass(1);

        expect(newTabs.map(tab => tab.received)).toEqual([numbers(5, 9), numbers(7, 9)]);
        for (const tab of all) expect(tab.received).toEqual(numbers(1, 9));
        expect(site.server.opened.slice(openedBefore)).toEqual(["/api/events?last_event_id=e1-4"]);
    });

    it("get what they missed in the page cache", async () => {
        const { site, all } = await openTabs(3);
        const away = all.find(tab => tab !== site.leader(all)) as OpenTab;
        away.page.dispatch("pagehide");
        site.server.commit(1);
        await site.pass(1);

        away.page.dispatch("pageshow");
        await site.pass(1);

        for (const tab of all) expect(tab.received).toEqual([1]);
    });

    it("all report a reset, once", async () => {
        const { site, all } = await openTabs(3);
        site.server.restore("e2");
        await site.pass(5);

        site.server.commit(1);
        await site.pass(1);

        for (const tab of all) {
            expect(tab.resets).toEqual(["e2-0"]);
            expect(tab.received).toEqual([1]);
        }
    });

    it("report no reset that concerns only another tab's old snapshot", async () => {
        const { site, all } = await openTabs(2);
        for (const number of numbers(1, 5)) site.server.commit(number);
        await site.pass(1);
        site.server.prune();

        const newTab = site.open({ from: "e1-1" });
        await site.pass(1);
        site.server.commit(6);
        await site.pass(1);

        expect(newTab.resets).toEqual(["e1-5"]);
        expect(newTab.received).toEqual([6]);
        for (const tab of all) expect([tab.resets, tab.received]).toEqual([[], numbers(1, 6)]);
    });

    it("reset a snapshot of an old log, with any leader", async () => {
        const { site, all } = await openTabs(2);
        site.server.restore("e2");
        await site.pass(5);

        const newTab = site.open({ from: "e1-0" });
        await site.pass(2);
        site.server.commit(1);
        await site.pass(1);

        expect(newTab.resets).toEqual(["e2-0"]);
        for (const tab of [...all, newTab]) expect(tab.received).toEqual([1]);
    });

    it("do not follow a new, unconnected leader into an old log", async () => {
        const { site, all } = await openTabs(3);
        const leader = site.leader(all);
        const [away, follower] = all.filter(tab => tab !== leader) as [OpenTab, OpenTab];
        away.page.dispatch("pagehide");
        site.server.restore("e2");
        await site.pass(5);
        site.server.network = { kind: "unreachable" };
        leader.page.hang();
        away.page.dispatch("pageshow");
        // The follower queues behind the tab that was away, so that one leads next.
        follower.page.dispatch("pagehide");
        follower.page.dispatch("pageshow");
        leader.page.crash();
        await site.pass(30);
        expect(site.leader(all)).toBe(away);
        expect(follower.resets).toEqual(["e2-0"]);

        site.server.network = { kind: "open" };
        await site.pass(60);

        for (const tab of [away, follower]) expect(tab.resets).toEqual(["e2-0"]);
    });

    it("do not go back to an old log that their leader still reads", async () => {
        const { site, all } = await openTabs(1);
        site.server.epoch = "e2";
        site.server.head = 5;

        const newTab = site.open({ from: "e2-5" });
        await site.pass(2);

        expect(newTab.resets).toEqual([]);
        expect(all[0]?.resets).toEqual(["e2-5"]);
    });

    it("all show a sign-out, and any visible tab triggers a retry", async () => {
        const { site, all } = await openTabs(3);
        site.server.network = { kind: "answers", status: 401 };
        for (const stream of [...site.server.streams]) stream.end();
        await site.pass(5);
        for (const tab of all) expect(tab.stream.state.name).toBe("signed_out");
        site.server.network = { kind: "open" };

        (all.find(tab => tab !== site.leader(all)) as OpenTab).page.dispatch("visibilitychange");
        await site.pass(1);

        for (const tab of all) expect(tab.stream.state.name).toBe("live");
    });

    it("reconnect once when all are online at the same moment", async () => {
        const { site, all } = await openTabs(7);
        await site.pass(2);

        for (const tab of all) tab.page.dispatch("online");
        await site.pass(1);

        expect(site.server.opened).toHaveLength(2);
    });
});
