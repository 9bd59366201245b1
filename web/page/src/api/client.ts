/** The only module of the page that calls the API: typed calls, and errors that carry the problem. */

import createClient, { type Middleware } from "openapi-fetch";
import { heardFromServer } from "../clock.js";
import { newKey } from "./keys.js";
import type { components, paths } from "./schema.js";

type Schemas = components["schemas"];
export type Appointment = Schemas["WorklistItem"];
export type Worklist = Schemas["Worklist"];
export type Board = Schemas["Board"];
export type BoardItem = Schemas["BoardItem"];
export type Visit = Schemas["Visit"];
export type DayReport = Schemas["DayReport"];
export type Wall = Schemas["Wall"];
export type CalledTicket = Schemas["CalledTicket"];
export type WaitingCount = Schemas["WaitingCount"];
export type TimelineEntry = Schemas["TimelineEntry"];
export type Role = Schemas["Role"];
export type Account = Schemas["Account"];
export type AddAccount = Schemas["AddAccount"];
export type AddedAccount = Schemas["AddedAccount"];
export type ChangeAccount = Schemas["ChangeAccount"];
export type Doctor = Schemas["StoredDoctor"];
export type DoctorContent = Required<Omit<Schemas["PutDoctor"], "identifiers" | "as_of">>;
/** The API calls a service "prestation". */
export type Service = Schemas["StoredPrestation"];
export type ServiceContent = Omit<Schemas["PutPrestation"], "identifiers" | "as_of">;
export type DoctorFigures = Schemas["DoctorFigures"];
export type Who = Schemas["SignedInUser"];
export type StartWarning = Schemas["StartWarning"];
export type StoredPatient = Schemas["StoredPatient"];
export type WalkIn = Schemas["WalkIn"];
export type Trackings = Schemas["Trackings"];
export type StatusName = Appointment["status"];

/** An RFC 9457 problem, with the fields that a refusal of a visit adds. */
export type Problem = Schemas["Problem"] & Partial<Schemas["Refusal"]>;

/** The API rejected the request. Or the page could not reach the API: then `status` is 0. */
export class ProblemError extends Error {
    constructor(
        readonly status: number,
        readonly problem: Problem | undefined,
        /** The seconds to wait before a retry, if the API sent them. */
        readonly retryAfter: number | undefined,
    ) {
        super(problem?.code ?? `status ${status}`);
    }

    get code(): string {
        return this.problem?.code ?? (this.status === 0 ? "unreachable" : "unreadable");
    }
}

const signedOut = new Set<() => void>();

/** Calls `act` when an answer is 401: the session is over. */
export function onSignedOut(act: () => void): void {
    signedOut.add(act);
}

const listening: Middleware = {
    onResponse({ response, schemaPath }) {
        heardFromServer(response.headers.get("date"));
        if (response.status === 401 && schemaPath !== "/api/session") for (const act of signedOut) act();
    },
};

/** A call without an answer fails after this time, in milliseconds. A broken network may report no error. */
const READ_WITHIN = 15_000;
const DECIDED_WITHIN = 30_000;

export const api = createClient<paths>({
    baseUrl: "/",
    fetch: request => {
        // The id of this one request in the logs of the API. A retry of the same press has another one.
        request.headers.set("X-Request-ID", newKey());
        const within = AbortSignal.timeout(request.method === "GET" ? READ_WITHIN : DECIDED_WITHIN);
        return fetch(request, { signal: AbortSignal.any([request.signal, within]) });
    },
});
api.use(listening);

type Answer<Data> = { data?: Data | undefined; error?: unknown; response: Response };

/** Returns the body of the answer, or throws ProblemError. */
export async function answered<Data>(asking: Promise<Answer<Data>>): Promise<Data> {
    let answer: Answer<Data>;
    try {
        answer = await asking;
    } catch {
        // No answer came, or one without JSON, for example a proxy's page while the API restarts.
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
