/** A position in the server's log as text: `epoch-position`. */

const CURSOR = /^([0-9A-Za-z]{1,16})-(0|[1-9][0-9]{0,15})$/;

/** A position in the log. An epoch names one log. Positions of two epochs cannot be compared. */
export interface Place {
    readonly epoch: string;
    readonly seq: number;
}

/** The place that a cursor names, or undefined for a text that no server has sent. */
export function readCursor(text: string | null | undefined): Place | undefined {
    const match = CURSOR.exec(text ?? "");
    return match ? { epoch: match[1] as string, seq: Number(match[2]) } : undefined;
}

/** The cursor as the server writes it. */
export function writeCursor(place: Place): string {
    return `${place.epoch}-${place.seq}`;
}

/** Whether both places are in the same log and `first` comes before `second`. */
export function isBefore(first: Place, second: Place): boolean {
    return first.epoch === second.epoch && first.seq < second.seq;
}
