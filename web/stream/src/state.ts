/** The state of the stream, as a page shows it. */

export type StateName = "live" | "catching_up" | "offline" | "signed_out" | "refused";

export interface StreamState {
    readonly name: StateName;
    /** Milliseconds since 1970. For `offline`: the last message of the server. For other states: their start. */
    readonly since: number;
    /** For `refused`: the HTTP status. */
    readonly status?: number;
}

/** Whether a page would show the same for both. */
export function sameState(first: StreamState, second: StreamState): boolean {
    return first.name === second.name && first.status === second.status;
}
