"""The names of a visit in Temporal."""

from datetime import date

DEFAULT_TASK_QUEUE = "visits"
WORKFLOW_TYPE = "PatientVisit"
PATIENT_ID_ATTRIBUTE = "PatientId"
VISIT_DAY_ATTRIBUTE = "VisitDay"
# These four change with the visit. It writes them for Temporal's UI only: nothing in the engine reads them.
VISIT_STATE_ATTRIBUTE = "VisitState"
DOCTOR_ID_ATTRIBUTE = "DoctorId"
CONSULTATION_OPEN_SINCE_ATTRIBUTE = "ConsultationOpenSince"
WAITING_COUNT_ATTRIBUTE = "WaitingCount"

# The activities, by name, because the workflow must not import them. Their functions are `record_decision` and
# `load_facts` of `activities.ledger.LedgerActivities`.
RECORD_DECISION = "record_decision"
LOAD_FACTS = "load_facts"


def visit_id(patient_id: int, day: date) -> str:
    """The workflow id of one patient's local day, as in `visit/123/2026-03-02`."""
    return f"visit/{patient_id}/{day.isoformat()}"
