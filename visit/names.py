"""The names of a visit in Temporal."""

from datetime import date

DEFAULT_TASK_QUEUE = "visits"
WORKFLOW_TYPE = "PatientVisit"
PATIENT_ID_ATTRIBUTE = "PatientId"
VISIT_DAY_ATTRIBUTE = "VisitDay"

# The activities, by name, because the workflow must not import them. Their functions are `record_decision` and
# `load_facts` of `activities.ledger.LedgerActivities`.
RECORD_DECISION = "record_decision"
LOAD_FACTS = "load_facts"


def visit_id(patient_id: int, day: date) -> str:
    """The workflow id of one patient's local day, as in `visit/123/2026-03-02`."""
    return f"visit/{patient_id}/{day.isoformat()}"
