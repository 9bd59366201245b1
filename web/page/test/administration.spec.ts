import { describe, expect, it } from "vitest";
import { accountChange, fieldsOf, matchesText } from "../src/admin/accounts.js";
import { changeRecord } from "../src/admin/record_writing.js";
import { type Account, ProblemError } from "../src/api/client.js";
import { readAll } from "../src/records.js";

const RECEPTION: Account = { id: 1, username: "desk", name: "Desk", role: "reception", doctor_id: null, active: true };
const DOCTOR: Account = { ...RECEPTION, role: "doctor", doctor_id: 7 };

describe("the change of an account", () => {
    it("has only what differs", () => {
        expect(accountChange(DOCTOR, fieldsOf(DOCTOR, "reception"))).toEqual({});
        expect(accountChange(DOCTOR, { ...fieldsOf(DOCTOR, "reception"), name: " Ward " })).toEqual({ name: "Ward" });
        expect(accountChange(DOCTOR, { ...fieldsOf(DOCTOR, "reception"), doctor_id: 8 })).toEqual({ doctor_id: 8 });
    });

    it("names a doctor only for the role doctor", () => {
        const doctor = { ...fieldsOf(RECEPTION, "reception"), role: "doctor", doctor_id: 7 } as const;
        expect(accountChange(RECEPTION, doctor)).toEqual({ role: "doctor", doctor_id: 7 });
        const supervisor = { ...fieldsOf(DOCTOR, "reception"), role: "supervisor" } as const;
        expect(accountChange(DOCTOR, supervisor)).toEqual({ role: "supervisor" });
    });
});

describe("the filter of a list", () => {
    it("compares words in any order, without case and accents", () => {
        expect(matchesText("rene weber", "Weber", "René", null)).toBe(true);
        expect(matchesText("rene smith", "Weber", "René")).toBe(false);
        expect(matchesText("  ", "Weber")).toBe(true);
    });
});

describe("a list in pages", () => {
    const pages = [[1, 2], [3, 4], [5]];

    it("is read whole", async () => {
        const readPage = async (page: number) => ({ items: pages[page - 1] ?? [], total: 5 });
        expect(await readAll(readPage)).toEqual([1, 2, 3, 4, 5]);
    });

    it("ends when a page is empty", async () => {
        const readPage = async (page: number) => ({ items: page === 1 ? [1] : [], total: 5 });
        expect(await readAll(readPage)).toEqual([1]);
    });
});

describe("a changed record", () => {
    /** A record of the API. As there, a PUT counts only the fields that differ from the PUT before. */
    function recordOf(content: { name: string; room: string }) {
        const record = { ...content, version: 1 };
        let sent: Record<string, unknown> = {};
        return {
            record,
            read: async () => ({ ...record }),
            put: async (body: { name: string; room: string }, version?: number) => {
                if (version !== undefined && version !== record.version)
                    throw new ProblemError(412, undefined, undefined);
                const changed = Object.entries(body).filter(([field, value]) => sent[field] !== value);
                Object.assign(record, Object.fromEntries(changed), { version: record.version + 1 });
                sent = body;
                return { ...record };
            },
        };
    }

    it("has the typed content", async () => {
        const calls = recordOf({ name: "Dr. Weber", room: "B 12" });
        expect(await changeRecord({ name: "Dr. Weber", room: "C 3" }, 1, calls)).toMatchObject({ room: "C 3" });
    });

    it("gets an earlier name back that another sender has replaced", async () => {
        const calls = recordOf({ name: "Weber", room: "B 12" });
        await changeRecord({ name: "Dr. Weber", room: "B 12" }, 1, calls);
        calls.record.name = "WEBER";
        await changeRecord({ name: "Dr. Weber", room: "B 12" }, calls.record.version, calls);
        expect(calls.record.name).toBe("Dr. Weber");
    });

    it("is refused when another person has changed it since", async () => {
        const calls = recordOf({ name: "Weber", room: "B 12" });
        calls.record.version = 5;
        await expect(changeRecord({ name: "Dr. Weber", room: "B 12" }, 4, calls)).rejects.toThrow(ProblemError);
        expect(calls.record.name).toBe("Weber");
    });

    it("counts as changed when an earlier try was carried out without an answer", async () => {
        const calls = recordOf({ name: "Weber", room: "B 12" });
        await calls.put({ name: "Dr. Weber", room: "B 12" }, 1);
        expect(await changeRecord({ name: "Dr. Weber", room: "B 12" }, 1, calls)).toMatchObject({ name: "Dr. Weber" });
    });
});
