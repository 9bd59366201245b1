import { describe, expect, it } from "vitest";
import { Clinic, numbers, type Opened } from "./clinic.js";
import { seeded } from "./world.js";

async function tabs(count: number, seed = 1): Promise<{ clinic: Clinic; all: Opened[] }> {
    const clinic = new Clinic(seed);
    const all = Array.from({ length: count }, () => clinic.open({ from: "e1-0" }));
    await clinic.pass(1);
    return { clinic, all };
}

describe("tabs of one account", () => {
    it("share one stream, and each hears every event once", async () => {
        const { clinic, all } = await tabs(7);

        for (const number of numbers(1, 20)) clinic.server.tell(number);
        await clinic.pass(1);

        expect(clinic.server.streams.size).toBe(1);
        for (const tab of all) {
            expect(tab.heard).toEqual(numbers(1, 20));
            expect(tab.stream.state.name).toBe("live");
        }
    });

    it("share none with another account, other channels or other names, and name nobody", async () => {
        const { clinic } = await tabs(2);
        clinic.open({ account: "8" });
        clinic.open({ channels: ["consultations"] });
        clinic.open({ names: ["bed.moved"] });
        clinic.server.tell(1);
        await clinic.pass(1);

        expect(clinic.server.streams.size).toBe(4);
        expect([...clinic.browser.names].filter(name => name.includes("Doe"))).toEqual([]);
    });

    it("have a connection each where the browser has no locks", async () => {
        const clinic = new Clinic();
        const all = [clinic.open({}, false), clinic.open({}, false)];
        await clinic.pass(1);

        clinic.server.tell(1);
        await clinic.pass(1);

        expect(clinic.server.streams.size).toBe(2);
        for (const tab of all) expect(tab.heard).toEqual([1]);
    });

    it("have a connection each when they ask not to share", async () => {
        const clinic = new Clinic();
        clinic.open({ share: false });
        clinic.open({ share: false });
        await clinic.pass(1);

        expect(clinic.server.streams.size).toBe(2);
    });

    it.each(["closed", "dead"])("go on when the leading tab is %s", async how => {
        const { clinic, all } = await tabs(3);
        clinic.server.tell(1);
        await clinic.pass(1);
        const leader = clinic.leader(all);

        if (how === "dead") leader.page.die();
        else leader.stream.close();
        clinic.server.tell(2);
        await clinic.pass(1);
        clinic.server.tell(3);
        await clinic.pass(1);

        for (const tab of all.filter(one => one !== leader)) expect(tab.heard).toEqual([1, 2, 3]);
        expect(clinic.server.streams.size).toBe(1);
    });

    it("rob a leader that hangs, and it follows when it wakes", async () => {
        const { clinic, all } = await tabs(3);
        const hung = clinic.leader(all);
        hung.page.hang();
        clinic.server.tell(1);
        await clinic.pass(60);
        for (const tab of all.filter(one => one !== hung)) expect(tab.heard).toEqual([1]);

        hung.page.goOn();
        await clinic.pass(20);
        clinic.server.tell(2);
        await clinic.pass(1);

        for (const tab of all) expect(tab.heard).toEqual([1, 2]);
        expect(clinic.server.streams.size).toBe(1);
        expect(clinic.leader(all)).not.toBe(hung);
    });

    it("do not rob a leader that waits for the server", async () => {
        const { clinic, all } = await tabs(3);
        const leader = clinic.leader(all);
        clinic.server.way = { kind: "unreachable" };
        for (const stream of [...clinic.server.streams]) stream.end();

        await clinic.pass(600);

        expect(clinic.leader(all)).toBe(leader);
        for (const tab of all) expect(tab.stream.state.name).toBe("offline");
    });

    it("have what came between an older snapshot and now, by one way back for all who ask", async () => {
        const { clinic, all } = await tabs(2);
        for (const number of numbers(1, 9)) clinic.server.tell(number);
        await clinic.pass(1);
        const opened = clinic.server.opened.length;

        const late = [clinic.open({ from: "e1-4" }), clinic.open({ from: "e1-6" })];
        await clinic.pass(1);

        expect(late.map(tab => tab.heard)).toEqual([numbers(5, 9), numbers(7, 9)]);
        for (const tab of all) expect(tab.heard).toEqual(numbers(1, 9));
        expect(clinic.server.opened.slice(opened)).toEqual(["/api/events?last_event_id=e1-4"]);
    });

    it("have what they missed while they were put away", async () => {
        const { clinic, all } = await tabs(3);
        const away = all.find(tab => tab !== clinic.leader(all)) as Opened;
        away.page.happens("pagehide");
        clinic.server.tell(1);
        await clinic.pass(1);

        away.page.happens("pageshow");
        await clinic.pass(1);

        for (const tab of all) expect(tab.heard).toEqual([1]);
    });

    it("are all told of a reset, once", async () => {
        const { clinic, all } = await tabs(3);
        clinic.server.restore("e2");
        await clinic.pass(5);

        clinic.server.tell(1);
        await clinic.pass(1);

        for (const tab of all) {
            expect(tab.resets).toEqual(["e2-0"]);
            expect(tab.heard).toEqual([1]);
        }
    });

    it("are not told of a reset that only another tab's old snapshot brought about", async () => {
        const { clinic, all } = await tabs(2);
        for (const number of numbers(1, 5)) clinic.server.tell(number);
        await clinic.pass(1);
        clinic.server.prune();

        const late = clinic.open({ from: "e1-1" });
        await clinic.pass(1);
        clinic.server.tell(6);
        await clinic.pass(1);

        expect(late.resets).toEqual(["e1-5"]);
        expect(late.heard).toEqual([6]);
        for (const tab of all) expect([tab.resets, tab.heard]).toEqual([[], numbers(1, 6)]);
    });

    it("find a snapshot of a log that is gone, whoever leads", async () => {
        const { clinic, all } = await tabs(2);
        clinic.server.restore("e2");
        await clinic.pass(5);

        const late = clinic.open({ from: "e1-0" });
        await clinic.pass(2);
        clinic.server.tell(1);
        await clinic.pass(1);

        expect(late.resets).toEqual(["e2-0"]);
        for (const tab of [...all, late]) expect(tab.heard).toEqual([1]);
    });

    it("are not led into a log that is gone by a new leader who has yet to connect", async () => {
        const { clinic, all } = await tabs(3);
        const leader = clinic.leader(all);
        const [away, follower] = all.filter(tab => tab !== leader) as [Opened, Opened];
        away.page.happens("pagehide");
        clinic.server.restore("e2");
        await clinic.pass(5);
        clinic.server.way = { kind: "unreachable" };
        leader.page.hang();
        away.page.happens("pageshow");
        // The follower goes behind the tab that was away, which so leads next.
        follower.page.happens("pagehide");
        follower.page.happens("pageshow");
        leader.page.die();
        await clinic.pass(30);
        expect(clinic.leader(all)).toBe(away);
        expect(follower.resets).toEqual(["e2-0"]);

        clinic.server.way = { kind: "open" };
        await clinic.pass(60);

        for (const tab of [away, follower]) expect(tab.resets).toEqual(["e2-0"]);
    });

    it("do not go back to a log that is gone though their leader still reads it", async () => {
        const { clinic, all } = await tabs(1);
        clinic.server.epoch = "e2";
        clinic.server.head = 5;

        const late = clinic.open({ from: "e2-5" });
        await clinic.pass(2);

        expect(late.resets).toEqual([]);
        expect(all[0]?.resets).toEqual(["e2-5"]);
    });

    it("show all that the leader was signed out, and a look at any of them is enough to try again", async () => {
        const { clinic, all } = await tabs(3);
        clinic.server.way = { kind: "answers", status: 401 };
        for (const stream of [...clinic.server.streams]) stream.end();
        await clinic.pass(5);
        for (const tab of all) expect(tab.stream.state.name).toBe("signed_out");
        clinic.server.way = { kind: "open" };

        (all.find(tab => tab !== clinic.leader(all)) as Opened).page.happens("visibilitychange");
        await clinic.pass(1);

        for (const tab of all) expect(tab.stream.state.name).toBe("live");
    });

    it("reconnect once when all of them are online again at the same moment", async () => {
        const { clinic, all } = await tabs(7);
        await clinic.pass(2);

        for (const tab of all) tab.page.happens("online");
        await clinic.pass(1);

        expect(clinic.server.opened).toHaveLength(2);
    });
});

describe("whatever happens", () => {
    const seeds = numbers(1, 200);

    it.each(seeds)("every tab has every event once and in order (seed %d)", async seed => {
        const chance = seeded(seed * 7919);
        const pick = <One>(from: readonly One[]): One | undefined => from[Math.floor(chance() * from.length)];
        const clinic = new Clinic(seed, 2);
        const limits = { heartbeat: 2, patience: 5, backoffMost: 4, askAgain: 2 };
        const all: { tab: Opened; from: number }[] = [];
        let told = 0;
        const open = (): void => {
            const from = Math.max(0, clinic.server.head - Math.floor(chance() * 10));
            all.push({ tab: clinic.open({ from: `e1-${from}`, limits }), from });
        };
        const positions: number[] = [];
        const tell = (): void => {
            told += 1;
            const elsewhere = chance() < 0.2;
            clinic.server.tell(clinic.server.head + 1, "patient.updated", elsewhere);
            if (!elsewhere) positions.push(clinic.server.head);
        };
        const living = (): Opened[] => all.map(({ tab }) => tab).filter(tab => clinic.browser.pages.has(tab.page));
        const acts: (() => void)[] = [
            ...Array<() => void>(8).fill(tell),
            open,
            () => living().length > 2 && pick(living())?.page.die(),
            () => living().length > 2 && clinic.browser.locks.holder()?.die(),
            () => clinic.browser.locks.holder()?.hang(),
            () => pick(living())?.page.hang(),
            () => pick(living())?.page.goOn(),
            () => pick(living())?.page.happens("pagehide"),
            () => pick(living())?.page.happens("pageshow"),
            () => pick(living())?.page.happens("online"),
            () => pick([...clinic.server.streams])?.end(),
            () => {
                clinic.server.way = pick([
                    { kind: "silent" },
                    { kind: "unreachable" },
                    { kind: "answers", status: 502 },
                ] as const) as { kind: "silent" };
            },
            () => {
                clinic.server.way = { kind: "open" };
            },
        ];
        open();
        open();

        for (let step = 0; step < 150; step++) {
            pick(acts)?.();
            await clinic.pass(chance() * chance() * 3);
        }
        clinic.server.way = { kind: "open" };
        for (const tab of living()) {
            tab.page.goOn();
            tab.page.happens("pageshow");
        }
        await clinic.pass(60);
        tell();
        await clinic.pass(10);

        expect(told).toBeGreaterThan(20);
        expect(living().length).toBeGreaterThan(0);
        for (const { tab, from } of all) {
            const due = positions.filter(position => position > from);
            const alive = clinic.browser.pages.has(tab.page);
            expect(tab.heard).toEqual(alive ? due : due.slice(0, tab.heard.length));
            expect(tab.resets).toEqual([]);
        }
        expect(clinic.server.streams.size).toBe(1);
    });
});
