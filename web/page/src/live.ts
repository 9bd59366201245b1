/** The one owner of the event stream in this tab: its state for the light, and which reads an event makes old. */

import type { QueryClient } from "@tanstack/vue-query";
import { type StreamState, type VisitEvent, VisitStream } from "visit-stream";
import { ref } from "vue";
import type { Board, Visit, Worklist } from "./api/client.js";
import { BOARD, VISIT, WORKLIST, type WorklistWanted } from "./queries.js";

/** Events that come together are read for once. */
const GATHER = 40;
/** What is being read already is read once more so much later, in milliseconds. */
const AGAIN = 250;
/** An appointment that no row shows may be a new one for this list: thousands of lists must not look at the same moment. */
const SPREAD = 1_500;

export const streamState = ref<StreamState>({ name: "catching_up", since: Date.now() });

type About = { patient_id?: unknown; doctor_id?: unknown };

/** Whether what is shown under this key tells of the event's patient, or may have to from now on. */
export function isTouched(key: readonly unknown[], shown: unknown, name: string, about: About): "now" | "soon" | "no" {
    if (key[0] === BOARD) return "now";
    if (key[0] === VISIT) return key[1] === about.patient_id ? "now" : "no";
    if (key[0] !== WORKLIST) return "no";
    const rows = (shown as Worklist | undefined)?.items;
    if (rows === undefined || rows.some(row => row.patient_id === about.patient_id)) return "now";
    // Another doctor's appointment is not on a doctor's list, whatever happens to it.
    const { doctorId, statuses } = key[1] as WorklistWanted;
    const isOthers = typeof about.doctor_id === "number" && doctorId !== null && about.doctor_id !== doctorId;
    // On a list of some statuses anything that happens may bring a row.
    const mayBring = name === "appointment.updated" || (statuses?.length ?? 0) > 0;
    return mayBring && !isOthers ? "soon" : "no";
}

/** Follows the stream for one account, and keeps what is on screen true. */
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
        // What failed while nobody answered is read as soon as somebody does.
        if (state.name === "live" && this.before !== "live") void this.queries.refetchQueries({ predicate: failed });
        // A stream that began at now has not told of what happened between the first reads and that moment.
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
            // A reading under way is let end: cancelled by each event, it would never show anything in a busy hour.
            if (this.queries.isFetching({ queryKey: key, exact: true }) > 0) {
                this.look(key, AGAIN);
                return;
            }
            void this.queries.invalidateQueries({ queryKey: key, exact: true });
        }, within);
        this.due.set(name, { key, timer, at });
    }

    private readAgain(): void {
        for (const first of [WORKLIST, BOARD, VISIT]) void this.queries.invalidateQueries({ queryKey: [first] });
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
