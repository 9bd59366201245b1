import { describe, expect, it } from "vitest";
import { seeded } from "./clock.js";
import { numbers, type OpenTab, Site } from "./site.js";

describe("random faults", () => {
    const seeds = numbers(1, 200);

    it.each(seeds)("every tab gets every event once and in order (seed %d)", async seed => {
        const chance = seeded(seed * 7919);
        const pick = <Item>(from: readonly Item[]): Item | undefined => from[Math.floor(chance() * from.length)];
        const site = new Site(seed, 2);
        const limits = { heartbeat: 2, patience: 5, backoffMost: 4, askAgain: 2 };
        const all: { tab: OpenTab; from: number }[] = [];
        let committed = 0;
        const open = (): void => {
            const from = Math.max(0, site.server.head - Math.floor(chance() * 10));
            all.push({ tab: site.open({ from: `e1-${from}`, limits }), from });
        };
        const positions: number[] = [];
        const commit = (): void => {
            committed += 1;
            const otherChannel = chance() < 0.2;
            site.server.commit(site.server.head + 1, "patient.updated", otherChannel);
            if (!otherChannel) positions.push(site.server.head);
        };
        const living = (): OpenTab[] => all.map(({ tab }) => tab).filter(tab => site.browser.pages.has(tab.page));
        const actions: (() => void)[] = [
            ...Array<() => void>(8).fill(commit),
            open,
            () => living().length > 2 && pick(living())?.page.crash(),
            () => living().length > 2 && site.browser.locks.holder()?.crash(),
            () => site.browser.locks.holder()?.hang(),
            () => pick(living())?.page.hang(),
            () => pick(living())?.page.wakeUp(),
            () => pick(living())?.page.dispatch("pagehide"),
            () => pick(living())?.page.dispatch("pageshow"),
            () => pick(living())?.page.dispatch("online"),
            () => pick([...site.server.streams])?.end(),
            () => {
                site.server.network = pick([
                    { kind: "silent" },
                    { kind: "unreachable" },
                    { kind: "answers", status: 502 },
                ] as const) as { kind: "silent" };
            },
            () => {
                site.server.network = { kind: "open" };
            },
        ];
        open();
        open();

        for (let step = 0; step < 150; step++) {
            pick(actions)?.();
            await site.pass(chance() * chance() * 3);
        }
        site.server.network = { kind: "open" };
        for (const tab of living()) {
            tab.page.wakeUp();
            tab.page.dispatch("pageshow");
        }
        await site.pass(60);
        commit();
        await site.pass(10);

        expect(committed).toBeGreaterThan(20);
        expect(living().length).toBeGreaterThan(0);
        for (const { tab, from } of all) {
            const expected = positions.filter(position => position > from);
            const alive = site.browser.pages.has(tab.page);
            expect(tab.received).toEqual(alive ? expected : expected.slice(0, tab.received.length));
            expect(tab.resets).toEqual([]);
        }
        expect(site.server.streams.size).toBe(1);
    });
});
