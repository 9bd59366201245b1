/** A place in the server's log, `epoch-position`; it must not know how events travel. */

const CURSOR = /^([0-9A-Za-z]{1,16})-(0|[1-9][0-9]{0,15})$/;

/** An epoch names one log; positions of two epochs cannot be compared. */
export interface Place {
    readonly epoch: string;
    readonly seq: number;
}

/** The place that a cursor names; undefined for what no server has ever given out. */
export function readCursor(text: string | null | undefined): Place | undefined {
    const found = CURSOR.exec(text ?? "");
    return found ? { epoch: found[1] as string, seq: Number(found[2]) } : undefined;
}

/** The cursor as the server writes it. */
export function writeCursor(place: Place): string {
    return `${place.epoch}-${place.seq}`;
}

/** Whether both are of one log and `one` is behind `other`. */
export function isBefore(one: Place, other: Place): boolean {
    return one.epoch === other.epoch && one.seq < other.seq;
}
