/** Owns the event stream of this tab: its state for the connection light, and the queries that each event makes stale. */

import type { QueryClient } from "@tanstack/vue-query";
import { type StreamState, type VisitEvent, VisitStream } from "visit-stream";
import { ref } from "vue";
import type { Board, Visit, Worklist } from "./api/client.js";
import { BOARD, VISIT, WALL, WORKLIST, type WorklistWanted } from "./queries.js";

/** Events within this time cause one read, in milliseconds. */
const GATHER = 40;
/** If a read is still running, the page waits this long and reads again, in milliseconds. */
const AGAIN = 250;
/** The longest random delay, in milliseconds. Any list may get a new appointment, and thousands of them must not read at the same moment. */
const SPREAD = 1_500;

export const streamState = ref<StreamState>({ name: "catching_up", since: Date.now() });

type About = { patient_id?: unknown; doctor_id?: unknown; retired?: unknown };

/** These events are about no patient. Any list may show the doctor's or the prestation's name. */
const RECORD_EVENTS = ["doctor.updated", "prestation.updated"];

/** When to read a query again after an event: now if it shows the event's patient, soon if it may show the patient or record. */
export function isTouched(key: readonly unknown[], shown: unknown, name: string, about: About): "now" | "soon" | "no" {
    // Every screen shows a renamed doctor, so they must not all read at the same moment.
    if (RECORD_EVENTS.includes(name)) return [WORKLIST, BOARD, VISIT].includes(String(key[0])) ? "soon" : "no";
    if (key[0] === BOARD || key[0] === WALL) return "now";
    // A merge also changes what is shown under the ids that it retires.
    const ids = [about.patient_id, ...(Array.isArray(about.retired) ? about.retired : [])];
    if (key[0] === VISIT) {
        // The address may have a retired id. The answer has the id of its survivor, as the events have.
        const survivorId = (shown as Visit | undefined)?.patient_id;
        return ids.includes(key[1]) || (survivorId !== undefined && ids.includes(survivorId)) ? "now" : "no";
    }
    if (key[0] !== WORKLIST) return "no";
    const rows = (shown as Worklist | undefined)?.items;
    if (rows === undefined || rows.some(row => ids.includes(row.patient_id))) return "now";
    // A doctor's list never shows the appointments of another doctor.
    const { doctorId, statuses } = key[1] as WorklistWanted;
    const isOthers = typeof about.doctor_id === "number" && doctorId !== null && about.doctor_id !== doctorId;
    // Any event may add a row to a list that is filtered by status.
    const mayBring = name === "appointment.updated" || (statuses?.length ?? 0) > 0;
    return mayBring && !isOthers ? "soon" : "no";
}

/** The event stream of one account. It reads queries again, so that the screen is up to date. */
export class Live {
    private readonly stream: VisitStream;
    private readonly due = new Map<
        string,
        { key: readonly unknown[]; timer: ReturnType<typeof setTimeout>; at: number }
    >();
    private before: StreamState["name"] = "catching_up";
    private wasLive: boolean;

    constructor(
        private readonly queries: QueryClient,
        account: string,
        private readonly onSignedOut: () => void,
    ) {
        const from = this.oldestCursor();
        this.wasLive = from !== undefined;
        this.stream = new VisitStream({ account, ...(from === undefined ? {} : { from }) });
        this.stream.onAny(event => this.heard(event));
        this.stream.onReset(() => this.readAgain());
        this.stream.onState(state => this.became(state));
        this.became(this.stream.state);
    }

    onAny(handler: (event: VisitEvent<Record<string, unknown>>) => void): () => void {
        return this.stream.onAny(handler);
    }

    retry(): void {
        this.stream.retry();
    }

    close(): void {
        this.stream.close();
        for (const { timer } of this.due.values()) clearTimeout(timer);
        this.due.clear();
    }

    private became(state: StreamState): void {
        streamState.value = state;
        // The server answers again: repeat the reads that failed.
        if (state.name === "live" && this.before !== "live") void this.queries.refetchQueries({ predicate: failed });
        // Without a cursor the stream starts now. It has no events from between the first reads and this moment.
        if (state.name === "live" && !this.wasLive) {
            this.wasLive = true;
            this.readAgain();
        }
        this.before = state.name;
        if (state.name === "signed_out") this.onSignedOut();
    }

    private heard(event: VisitEvent<Record<string, unknown>>): void {
        for (const query of this.queries.getQueryCache().getAll()) {
            const when = isTouched(query.queryKey, query.state.data, event.name, event.data);
            if (when !== "no") this.look(query.queryKey, when === "now" ? GATHER : GATHER + Math.random() * SPREAD);
        }
    }

    private look(key: readonly unknown[], within: number): void {
        const name = JSON.stringify(key);
        const at = performance.now() + within;
        const before = this.due.get(name);
        if (before !== undefined && before.at <= at) return;
        if (before !== undefined) clearTimeout(before.timer);
        const timer = setTimeout(() => {
            this.due.delete(name);
            // Let a running read finish. If each event cancelled it, the page would show nothing in a busy hour.
            if (this.queries.isFetching({ queryKey: key, exact: true }) > 0) {
                this.look(key, AGAIN);
                return;
            }
            void this.queries.invalidateQueries({ queryKey: key, exact: true });
        }, within);
        this.due.set(name, { key, timer, at });
    }

    private readAgain(): void {
        for (const first of [WORKLIST, BOARD, VISIT, WALL]) void this.queries.invalidateQueries({ queryKey: [first] });
    }

    private oldestCursor(): string | undefined {
        const shown = this.queries
            .getQueryCache()
            .getAll()
            .map(query => query.state.data as Worklist | Board | Visit | undefined);
        const cursors = shown.flatMap(data => (data !== undefined && "cursor" in data ? [data.cursor] : []));
        return cursors.sort((one, other) => position(one) - position(other))[0];
    }
}

function position(cursor: string): number {
    return Number(cursor.slice(cursor.lastIndexOf("-") + 1));
}

function failed(query: { state: { status: string; fetchFailureCount: number } }): boolean {
    return query.state.status === "error" || query.state.fetchFailureCount > 0;
}
