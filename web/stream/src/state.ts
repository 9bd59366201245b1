/** What a connection light shows; it must not know what connects. */

export type StateName = "live" | "catching_up" | "offline" | "signed_out" | "refused";

export interface StreamState {
    readonly name: StateName;
    /** Milliseconds since 1970. Of `offline`: when the server was last heard; of others: when the state began. */
    readonly since: number;
    /** Of `refused`: the HTTP status. */
    readonly status?: number;
}

/** Whether a screen would show the same for both. */
export function sameState(one: StreamState, other: StreamState): boolean {
    return one.name === other.name && one.status === other.status;
}
