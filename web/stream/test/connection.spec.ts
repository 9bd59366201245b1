import { describe, expect, it } from "vitest";
import { Clinic, numbers, type Opened } from "./clinic.js";

/** One tab that is live. */
async function aTab(): Promise<{ clinic: Clinic; tab: Opened }> {
    const clinic = new Clinic();
    const tab = clinic.open({ from: "e1-0" }, false);
    await clinic.pass(1);
    expect(tab.stream.state.name).toBe("live");
    return { clinic, tab };
}

describe("one tab", () => {
    it("begins behind the snapshot's cursor and hears what was told since", async () => {
        const clinic = new Clinic();
        for (const number of numbers(1, 5)) clinic.server.tell(number);

        const tab = clinic.open({ from: "e1-2" }, false);
        await clinic.pass(1);

        expect(tab.heard).toEqual([3, 4, 5]);
        expect(tab.resets).toEqual([]);
    });

    it("lets the browser come back by itself when the server ends the stream, and has everything once", async () => {
        const { clinic, tab } = await aTab();
        clinic.server.tell(1);
        await clinic.pass(1);

        for (const stream of [...clinic.server.streams]) stream.end();
        clinic.server.tell(2);
        await clinic.pass(5);

        expect(tab.heard).toEqual([1, 2]);
        expect(clinic.server.opened).toHaveLength(1);
        expect(tab.states).toEqual(["live", "catching_up", "live"]);
    });

    it("goes its own, slower way when the browser's reconnect fails too", async () => {
        const { clinic, tab } = await aTab();
        clinic.server.way = { kind: "unreachable" };
        for (const stream of [...clinic.server.streams]) stream.end();
        await clinic.pass(600);
        const attempts = clinic.server.opened.length;

        clinic.server.tell(1);
        clinic.server.way = { kind: "open" };
        await clinic.pass(31);

        expect(attempts).toBeLessThan(80);
        expect(tab.heard).toEqual([1]);
        expect(tab.states.slice(0, 3)).toEqual(["live", "catching_up", "offline"]);
        expect(tab.stream.state.name).toBe("live");
    });

    it("says since when the server has not been heard", async () => {
        const { clinic, tab } = await aTab();
        const heard = clinic.clock.now;

        clinic.server.way = { kind: "silent" };
        await clinic.pass(60);

        expect(tab.stream.state.name).toBe("offline");
        expect(tab.stream.state.since).toBeLessThanOrEqual(heard);
        expect(tab.stream.state.since).toBeGreaterThan(heard - 1500);
    });

    it("takes 2.5 heartbeats of silence for a dead connection and reconnects", async () => {
        const { clinic, tab } = await aTab();
        clinic.server.way = { kind: "silent" };
        await clinic.pass(36);
        clinic.server.tell(1);
        clinic.server.way = { kind: "open" };
        expect(clinic.server.opened).toHaveLength(1);

        await clinic.pass(3);

        expect(clinic.server.opened).toHaveLength(2);
        expect(tab.heard).toEqual([1]);
    });

    it("is kept alive by heartbeats alone, and goes on from their cursor", async () => {
        const { clinic, tab } = await aTab();
        clinic.server.tell(1, "patient.updated", true);
        await clinic.pass(400);
        expect(clinic.server.opened).toHaveLength(1);

        clinic.server.way = { kind: "silent" };
        await clinic.pass(60);

        expect(clinic.server.opened.at(-1)).toBe("/api/events?last_event_id=e1-1");
        expect(tab.heard).toEqual([]);
    });

    it.each([
        [401, "signed_out", undefined],
        [403, "refused", 403],
        [422, "refused", 422],
    ])("does not hammer after %d: it says %s and tries again when told", async (status, name, told) => {
        const { clinic, tab } = await aTab();
        clinic.server.way = { kind: "answers", status };
        for (const stream of [...clinic.server.streams]) stream.end();
        await clinic.pass(250);
        expect(tab.stream.state).toMatchObject(told === undefined ? { name } : { name, status: told });
        expect(clinic.server.opened).toHaveLength(1);

        clinic.server.way = { kind: "open" };
        tab.stream.retry();
        await clinic.pass(1);

        expect(tab.stream.state.name).toBe("live");
    });

    it("looks at a refusal again by itself, slowly", async () => {
        const { clinic, tab } = await aTab();
        clinic.server.way = { kind: "answers", status: 403 };
        for (const stream of [...clinic.server.streams]) stream.end();
        await clinic.pass(10);

        clinic.server.way = { kind: "open" };
        await clinic.pass(300);

        expect(tab.stream.state.name).toBe("live");
    });

    it.each([429, 503])("waits after %d for as long as the server asks", async status => {
        const { clinic, tab } = await aTab();
        clinic.server.way = { kind: "answers", status, retryAfter: "40" };
        for (const stream of [...clinic.server.streams]) stream.end();
        await clinic.pass(2.1);
        clinic.server.way = { kind: "open" };
        await clinic.pass(39);
        expect(clinic.server.opened).toHaveLength(1);

        await clinic.pass(3);

        expect(tab.stream.state.name).toBe("live");
    });

    it("believes no Retry-After beyond its bound", async () => {
        const { clinic, tab } = await aTab();
        clinic.server.way = { kind: "answers", status: 503, retryAfter: "999999" };
        for (const stream of [...clinic.server.streams]) stream.end();
        await clinic.pass(3);
        clinic.server.way = { kind: "open" };

        await clinic.pass(302);

        expect(tab.stream.state.name).toBe("live");
    });

    it.each([200, 404, 502, 504])("comes back after %d in place of a stream, however long it lasts", async status => {
        const { clinic, tab } = await aTab();
        clinic.server.way = { kind: "answers", status };
        for (const stream of [...clinic.server.streams]) stream.end();
        await clinic.pass(7200);
        clinic.server.tell(1);

        clinic.server.way = { kind: "open" };
        await clinic.pass(31);

        expect(tab.heard).toEqual([1]);
        expect(clinic.server.opened.length).toBeLessThan(700);
    });

    it("tells of a reset once and goes on from there", async () => {
        const { clinic, tab } = await aTab();
        clinic.server.restore("e2");
        clinic.server.tell(1);
        await clinic.pass(5);

        clinic.server.tell(2);
        await clinic.pass(1);

        expect(tab.resets).toEqual(["e2-1"]);
        expect(tab.heard).toEqual([2]);
    });

    it("tells of a reset when what it missed was pruned", async () => {
        const { clinic, tab } = await aTab();
        for (const stream of [...clinic.server.streams]) stream.end();
        clinic.server.tell(1);
        clinic.server.prune();

        await clinic.pass(5);

        expect(tab.resets).toEqual(["e1-1"]);
    });

    it("goes back to a log that knows a snapshot from the future", async () => {
        const clinic = new Clinic();
        const tab = clinic.open({ from: "e1-99" }, false);
        await clinic.pass(1);

        clinic.server.tell(1);
        await clinic.pass(1);

        expect(tab.resets).toEqual(["e1-0"]);
        expect(tab.heard).toEqual([1]);
    });

    it("goes on when a handler throws, and so do the other handlers", async () => {
        const { clinic, tab } = await aTab();
        const typed: string[] = [];
        tab.stream.on("patient.updated", () => {
            throw new Error("a fault of the page");
        });
        tab.stream.on("patient.updated", event => typed.push(event.data.patient_name));

        clinic.server.tell(1);
        clinic.server.tell(2);
        await clinic.pass(1);

        expect(tab.heard).toEqual([1, 2]);
        expect(typed).toEqual(["John Doe", "John Doe"]);
        expect(tab.page.faults).toHaveLength(2);
    });

    it("tells the page to look for itself when an event cannot be read", async () => {
        const { clinic, tab } = await aTab();

        clinic.server.tell(1, "consultation.started");
        await clinic.pass(1);

        expect(tab.heard).toEqual([]);
        expect(tab.resets).toEqual(["e1-1"]);
    });

    it("hears other names when it was told them, and refuses a handler for those that it was not", async () => {
        const clinic = new Clinic();
        const tab = clinic.open({ names: ["bed.moved"] }, false);
        const moved: string[] = [];
        tab.stream.on("bed.moved", event => moved.push(event.name));
        await clinic.pass(1);

        clinic.server.tell(1, "bed.moved");
        await clinic.pass(1);

        expect(moved).toEqual(["bed.moved"]);
        expect(tab.heard).toEqual([1]);
        expect(() => tab.stream.on("bed.sold", () => {})).toThrow("bed.sold");
    });

    it("asks for its channels in the address", async () => {
        const clinic = new Clinic();
        clinic.open({ channels: ["consultations", "doctor.7"], from: "e1-0" }, false);

        expect(clinic.server.opened).toEqual(["/api/events?channels=consultations,doctor.7&last_event_id=e1-0"]);
    });

    it("refuses a beginning that is no cursor", () => {
        expect(() => new Clinic().open({ from: "yesterday" })).toThrow(TypeError);
    });

    it("reconnects when it comes into view after a longer silence, and not after a short one", async () => {
        const { clinic, tab } = await aTab();
        clinic.server.way = { kind: "silent" };
        await clinic.pass(10);
        tab.page.happens("visibilitychange");
        expect(clinic.server.opened).toHaveLength(1);
        await clinic.pass(10);

        tab.page.happens("visibilitychange");

        expect(clinic.server.opened).toHaveLength(2);
    });

    it("does nothing when it goes out of view", async () => {
        const { clinic, tab } = await aTab();
        clinic.server.way = { kind: "silent" };
        await clinic.pass(20);
        tab.page.visible = false;

        tab.page.happens("visibilitychange");

        expect(clinic.server.opened).toHaveLength(1);
    });

    it("says offline when the browser does, and reconnects at once when it is online", async () => {
        const { clinic, tab } = await aTab();
        await clinic.pass(2);
        tab.page.happens("offline");
        expect(tab.stream.state.name).toBe("offline");

        tab.page.happens("online");
        await clinic.pass(0.1);

        expect(clinic.server.opened).toHaveLength(2);
        expect(tab.stream.state.name).toBe("live");
    });

    it("lets go when the page is put away and has the rest when it is taken out again", async () => {
        const { clinic, tab } = await aTab();
        tab.page.happens("pagehide");
        await clinic.pass(1);
        expect(clinic.server.streams.size).toBe(0);
        clinic.server.tell(1);

        tab.page.happens("pageshow");
        await clinic.pass(1);

        expect(tab.heard).toEqual([1]);
    });

    it("is silent once closed, for good", async () => {
        const { clinic, tab } = await aTab();
        tab.stream.close();
        tab.page.happens("pageshow");
        tab.page.happens("online");
        tab.stream.retry();
        clinic.server.tell(1);
        await clinic.pass(100);

        expect(tab.heard).toEqual([]);
        expect(clinic.server.streams.size).toBe(0);
    });
});
