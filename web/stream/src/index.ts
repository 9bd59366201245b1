/** The public API of the package. */

export type {
    AboutConsultation,
    AboutPatient,
    AppointmentUpdated,
    ConsultationBlocked,
    EventName,
    VisitEvent,
    VisitEvents,
} from "./events.js";
export { EVENT_NAMES } from "./events.js";
export { DEFAULT_LIMITS, type StreamLimits } from "./limits.js";
export type { StateName, StreamState } from "./state.js";
export type { Surroundings } from "./surroundings.js";
export { type StreamReset, VisitStream, type VisitStreamOptions } from "./visit_stream.js";
