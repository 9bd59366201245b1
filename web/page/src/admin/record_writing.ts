/** Writes a record with a PUT, so that it has exactly the content that a person typed. */

import { ProblemError } from "../api/client.js";

/** The calls for one record. With a version, `put` changes only a record that has this version. */
export interface RecordCalls<Content, Stored> {
    readonly put: (content: Content, version?: number) => Promise<Stored>;
    readonly read: () => Promise<Stored>;
}

/** Changes the record that was shown with `version`. Throws ProblemError, 412 when another person has changed it since. */
export async function changeRecord<Content extends object, Stored extends Content>(
    content: Content,
    version: number,
    { put, read }: RecordCalls<Content, Stored>,
): Promise<Stored> {
    const fields = Object.keys(content) as (keyof Content)[];
    const hasContent = (record: Stored): boolean => fields.every(field => record[field] === content[field]);
    let stored: Stored;
    try {
        stored = await put(content, version);
    } catch (error) {
        if (!(error instanceof ProblemError) || error.status !== 412) throw error;
        // The answer to an earlier try of this change may have been lost.
        const current = await read();
        if (!hasContent(current)) throw error;
        return current;
    }
    if (hasContent(stored)) return stored;
    // A PUT counts only the fields that differ from the last PUT of the same account, because a nightly feed repeats itself. So a
    // person who brings back an earlier name has to send the present one first.
    await put(Object.fromEntries(fields.map(field => [field, stored[field]])) as Content);
    return await put(content);
}
