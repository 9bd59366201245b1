import { expect, test } from "vitest";
import { effectScope, nextTick, ref } from "vue";
import { type Locks, useOneTab } from "../src/shell/one_tab.js";

/** One lock. Requests get it one after the other. */
class OneLock {
    private queue: Promise<unknown> = Promise.resolve();

    request = ((_name: string, { signal }: LockOptions, act: () => unknown) => {
        const turn = this.queue.then(() => (signal?.aborted === true ? Promise.reject(signal.reason) : act()));
        this.queue = turn.catch(() => undefined);
        return turn;
    }) as Locks["request"];
}

async function settled(): Promise<void> {
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
    await nextTick();
}

function openTab(locks: Locks | undefined, can = ref(true)) {
    const scope = effectScope();
    const isChosen = scope.run(() => useOneTab("sound", can, locks));
    return { close: () => scope.stop(), can, isChosen: () => isChosen?.value };
}

test("one tab is chosen, and another one follows when it closes or cannot", async () => {
    const locks = new OneLock();
    const [first, second, third] = [openTab(locks), openTab(locks), openTab(locks)];
    const chosen = () => [first, second, third].map(tab => tab.isChosen());
    await settled();
    expect(chosen()).toEqual([true, false, false]);

    first.close();
    await settled();
    expect(chosen()).toEqual([false, true, false]);

    second.can.value = false;
    await settled();
    expect(chosen()).toEqual([false, false, true]);

    third.close();
    second.can.value = true;
    await settled();
    expect(chosen()).toEqual([false, true, false]);
});

test("a tab that cannot is never chosen", async () => {
    const locks = new OneLock();
    const [silent, loud] = [openTab(locks, ref(false)), openTab(locks)];
    await settled();
    expect([silent.isChosen(), loud.isChosen()]).toEqual([false, true]);
});

test("without locks each tab is chosen", async () => {
    const tabs = [openTab(undefined), openTab(undefined)];
    await settled();
    expect(tabs.map(tab => tab.isChosen())).toEqual([true, true]);
});
