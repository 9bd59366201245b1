/** Distributes what does not fit on one screen to pages, in pure functions. Nothing is ever cut in two by the edge of the screen. */

/** How many things of this size fit into the space, at least one. */
export function fitting(space: number, size: number, gap: number): number {
    return size > 0 ? Math.max(1, Math.floor((space + gap) / (size + gap))) : 1;
}

/** The things in pages of at most `size`. Always at least one page. */
export function inPages<Thing>(things: readonly Thing[], size: number): readonly (readonly Thing[])[] {
    const pages: Thing[][] = [];
    for (let first = 0; first < things.length; first += size) pages.push(things.slice(first, first + size));
    return pages.length === 0 ? [[]] : pages;
}

/** A lane on the screen, or a part of one that is taller than the screen. */
export interface LanePart<Lane> {
    readonly lane: Lane;
    /** The lane's rows from `from` up to `to`. */
    readonly from: number;
    readonly to: number;
}

/** The lines that the heading of a lane and its frame take. */
export const HEADING_LINES = 2;

/** The lanes one below the other, in columns of so many lines. A lane is cut only when it is taller than a whole column. */
export function inColumnsOf<Lane>(
    lanes: readonly Lane[],
    rowsOf: (lane: Lane) => number,
    lines: number,
): readonly (readonly LanePart<Lane>[])[] {
    const most = Math.max(1, lines - HEADING_LINES);
    const columns: LanePart<Lane>[][] = [];
    let free = 0;
    for (const lane of lanes) {
        const rows = rowsOf(lane);
        for (let from = 0; from < Math.max(1, rows); from += most) {
            const to = Math.min(rows, from + most);
            const height = Math.max(1, to - from) + HEADING_LINES;
            if (height > free) {
                columns.push([]);
                free = Math.max(lines, height);
            }
            columns.at(-1)?.push({ lane, from, to });
            free -= height;
        }
    }
    return columns;
}
