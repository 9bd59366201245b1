import { describe, expect, it } from "vitest";
import { numbers, openLiveTab, Site } from "./site.js";

describe("the events of one tab", () => {
    it("starts after the snapshot's cursor and gets all later events", async () => {
        const site = new Site();
        for (const number of numbers(1, 5)) site.server.commit(number);

        const tab = site.open({ from: "e1-2" }, false);
        await site.pass(1);

        expect(tab.received).toEqual([3, 4, 5]);
        expect(tab.resets).toEqual([]);
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
});
