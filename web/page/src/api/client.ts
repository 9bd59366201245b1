/** The page's only door to the API: typed calls, and problems as values; it must not know what a screen does with them. */

import createClient, { type Middleware } from "openapi-fetch";
import { heardFromServer } from "../clock.js";
import type { components, paths } from "./schema.js";

type Schemas = components["schemas"];
export type Appointment = Schemas["WorklistItem"];
export type Worklist = Schemas["Worklist"];
export type Board = Schemas["Board"];
export type BoardItem = Schemas["BoardItem"];
export type Visit = Schemas["Visit"];
export type TimelineEntry = Schemas["TimelineEntry"];
export type Who = Schemas["SignedInUser"];
export type StatusName = Appointment["status"];

/** An RFC 9457 problem with what a visit's refusal adds. */
export type Problem = Schemas["Problem"] & Partial<Schemas["Refusal"]>;

/** The API said no, or could not be reached: then `status` is 0. */
export class ProblemError extends Error {
    constructor(
        readonly status: number,
        readonly problem: Problem | undefined,
        /** Seconds after which to ask again, where the API said so. */
        readonly retryAfter: number | undefined,
    ) {
        super(problem?.code ?? `status ${status}`);
    }

    get code(): string {
        return this.problem?.code ?? (this.status === 0 ? "unreachable" : "unreadable");
    }
}

const signedOut = new Set<() => void>();

/** Hear that a call was answered 401: the session is over. */
export function onSignedOut(act: () => void): void {
    signedOut.add(act);
}

const listening: Middleware = {
    onResponse({ response, schemaPath }) {
        heardFromServer(response.headers.get("date"));
        if (response.status === 401 && schemaPath !== "/api/session") for (const act of signedOut) act();
    },
};

/** A call that is not answered for so long has failed, in milliseconds: a network can fall silent without an end. */
const READ_WITHIN = 15_000;
const DECIDED_WITHIN = 30_000;

export const api = createClient<paths>({
    baseUrl: "/",
    fetch: request => {
        const within = AbortSignal.timeout(request.method === "GET" ? READ_WITHIN : DECIDED_WITHIN);
        return fetch(request, { signal: AbortSignal.any([request.signal, within]) });
    },
});
api.use(listening);

type Answer<Data> = { data?: Data | undefined; error?: unknown; response: Response };

/** The answer's body, or throws ProblemError. */
export async function answered<Data>(asking: Promise<Answer<Data>>): Promise<Data> {
    let answer: Answer<Data>;
    try {
        answer = await asking;
    } catch {
        // Nobody answered, or what came was no JSON: a proxy's page while the API restarts.
        throw new ProblemError(0, undefined, undefined);
    }
    const { response } = answer;
    if (response.ok) return answer.data as Data;
    const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
    throw new ProblemError(response.status, asProblem(answer.error), Number.isFinite(seconds) ? seconds : undefined);
}

function asProblem(body: unknown): Problem | undefined {
    return typeof body === "object" && body !== null && "code" in body ? (body as Problem) : undefined;
}
