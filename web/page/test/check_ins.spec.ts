import { expect, test } from "vitest";
import { ProblemError, type Trackings } from "../src/api/client.js";
import { arrivedIn, openedBy, sendEach } from "../src/commands/check_ins.js";
import { anAppointment, at } from "./appointments.js";

const tracking = (appointment_id: number, minutes: number, status = "pending") =>
    ({ appointment_id, check_in_time: at(minutes), status }) as Trackings["items"][number];

test("a check-in has opened those with the newest time of arrival", () => {
    const items = [tracking(1, -40), tracking(2, 0), tracking(3, 0), tracking(4, 0, "in_progress")];
    expect(openedBy({ items }, new Set())).toEqual([2, 3]);
});

test("a check-in that opened nothing has nothing to take back", () => {
    expect(openedBy({ items: [tracking(1, -40), tracking(2, -40)] }, new Set([1, 2]))).toEqual([]);
    expect(openedBy({ items: [] }, new Set())).toEqual([]);
});

test("knows who has arrived from the lists on the screen", () => {
    const rows = (["pending", "in_progress", "confirmed", "done"] as const).map((status, n) =>
        anAppointment({ status, appointment_id: n }),
    );
    expect(arrivedIn([rows.slice(0, 1), rows.slice(1)])).toEqual(new Set([0, 1]));
});

test("a refusal for one appointment stops no other, and an unknown outcome is thrown first", async () => {
    const sent: number[] = [];
    const failures: Record<number, ProblemError> = {
        1: new ProblemError(409, undefined, undefined),
        3: new ProblemError(503, undefined, undefined),
    };
    const send = (id: number): Promise<void> => {
        sent.push(id);
        return failures[id] ? Promise.reject(failures[id]) : Promise.resolve();
    };

    await expect(sendEach([1, 2], send)).rejects.toBe(failures[1]);
    await expect(sendEach([1, 2, 3], send)).rejects.toBe(failures[3]);
    expect(sent).toEqual([1, 2, 1, 2, 3]);
});
