import { describe, expect, it } from "vitest";
import type { Appointment } from "../src/api/client.js";
import { filledOf } from "../src/worklist/filled.js";
import { grouped, nextCall, passedOver } from "../src/worklist/groups.js";
import { anAppointment, at, ME, NOON, OTHER, withDrOkafor } from "./appointments.js";

const running = { status: "in_progress", consultation_id: "c", started_at: at(-14), overdue_at: at(6) } as const;
const forMe = { state: "reserved", doctor: "Dr. Amrani", doctor_id: ME, until: at(1), kind: "called" } as const;
let lastId = 0;
const item = (...changed: Parameters<typeof anAppointment>): Appointment => {
    lastId += 1;
    return { ...anAppointment(...changed), appointment_id: lastId, patient_id: lastId };
};

describe("a doctor's day", () => {
    const now = item(running);
    const busy = item({}, withDrOkafor);
    const first = item();
    const second = item();
    const absent = item({ present: false });
    const done = item({ status: "done" });
    const groups = grouped([now, busy, first, second, absent, done], ME, NOON);

    it("puts each patient into one group, in the order of the calls", () => {
        expect(groups).toEqual({
            now: [now],
            next: [first],
            ready: [second],
            elsewhere: [busy],
            not_here: [absent],
            done: [done],
        });
    });

    it("shows a called patient as the next one", () => {
        const called = item({}, forMe);
        const { next, ready } = grouped([first, called], ME, NOON);
        expect([next, ready]).toEqual([[called], [first]]);
    });

    it("calls the first of the list who is in the house and free, as the API does", () => {
        const offered = item({}, { ...forMe, kind: "offered" });
        const silent = item({ no_answers: 3 });
        expect(nextCall([busy, absent, silent, first, second, offered], ME, NOON)).toBe(first);
        expect(nextCall([first, item({}, forMe)], ME, NOON)?.patient.kind).toBe("called");
        expect(nextCall([busy, absent, done, now, silent], ME, NOON)).toBeUndefined();
        expect(grouped([silent, first], ME, NOON).next).toEqual([first]);
    });

    it("names those who come first and are with someone else", () => {
        const later = item({}, withDrOkafor);
        const items = [busy, first, later];
        expect(passedOver(items, grouped(items, ME, NOON), NOON)).toEqual([busy]);
    });

    it("knows calls that reserve nothing", () => {
        const elsewhere = { doctor_id: OTHER, name: "Dr. Okafor" };
        const called = item({ exclusive: false, called_until: at(1) });
        const duringConsultation = item({ exclusive: false, called_until: at(1) }, withDrOkafor);
        const calledByOther = item({ called_elsewhere: { ...elsewhere, until: at(1) } });
        const over = item({ called_until: at(0), called_elsewhere: { ...elsewhere, until: at(0) } });

        for (const own of [called, duringConsultation]) {
            const groups = grouped([first, own], ME, NOON);
            expect([groups.next, groups.ready]).toEqual([[own], [first]]);
            expect(nextCall([first, own], ME, NOON)).toBe(own);
        }
        const groups = grouped([calledByOther, first], ME, NOON);
        expect([groups.next, groups.ready]).toEqual([[first], [calledByOther]]);
        expect(nextCall([calledByOther, first], ME, NOON)).toBe(first);
        expect(passedOver([calledByOther, first], groups, NOON)).toEqual([calledByOther]);
        expect(grouped([over, first], ME, NOON).next).toEqual([over]);
        expect(nextCall([over, first], ME, NOON)).toBe(over);
    });

    it("keeps a paused consultation in sight", () => {
        const paused = item({ ...running, paused_at: at(-1) });
        expect(grouped([paused], ME, NOON).now).toEqual([paused]);
    });

    it("has one filled button: complete, or else the start of the next patient", () => {
        const actions = (item: { status: string }) => [item.status === "in_progress" ? "complete" : "start"] as const;
        const { appointment_id } = first;
        expect(filledOf([now, first], groups, actions)).toEqual({
            appointment_id: now.appointment_id,
            action: "complete",
        });
        const idle = grouped([first, second], ME, NOON);
        expect(filledOf([first, second], idle, actions)).toEqual({ appointment_id, action: "start" });
        expect(filledOf([], grouped([], ME, NOON), actions)).toBeUndefined();
    });

    it("has one filled button on another day too", () => {
        const actions = (item: { status: string }) => (item.status === "in_progress" ? (["complete"] as const) : []);
        const other = item(running);
        expect(filledOf([first, now, other], undefined, actions)?.appointment_id).toBe(now.appointment_id);
        expect(filledOf([first], undefined, actions)).toBeUndefined();
    });

    it("leaves a colleague's consultation out of Now", () => {
        const theirs = item({ ...running, doctor_id: OTHER });
        expect(grouped([theirs], ME, NOON).elsewhere).toEqual([theirs]);
    });
});
