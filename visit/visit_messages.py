"""The input of a run of a visit, and the result of an update."""

from datetime import date, datetime
from typing import Literal

from pydantic import Field

from patient_visit_engine.visit.codes import RescueReason
from patient_visit_engine.visit.frozen import LONG_AGO, Frozen, is_absent
from patient_visit_engine.visit.state import Limits, VisitState


class OpenVisit(Frozen):
    """The input of each run of a visit, not a command. Later runs also get the whole state, in `carried`.

    `is_current`: the carried facts were those of the ledger. They were not if the ledger was away.
    `rescue_reason`: why a rescue has opened this run. None: there was no rescue, or it is noted.
    `zone`: the hospital's time zone, for texts in Temporal's UI.
    `writes_attributes`: the namespace has accepted the search attributes that change with the visit, so the run may write them.
    """

    patient_id: int
    day: date
    day_starts_at: datetime = LONG_AGO
    day_ends_at: datetime
    yesterday_starts_at: datetime | None = None
    limits: Limits = Limits()
    carried: VisitState | None = None
    is_current: bool = True
    rescue_reason: RescueReason | None = None
    zone: str = "UTC"
    writes_attributes: bool = False


class Reply(Frozen):
    """The result of an update. `decided`: the answer is stored under the request's id. Otherwise this day has closed.

    `moved_to`: nothing was decided, and the command belongs to the visit of this person. The visit's patient is a retired record, or
    the command's appointment belongs to this person again since a separation.

    `answer` and `code` are for people who look at the update in Temporal's UI: whether the stored answer grants the request, and the
    code of its refusal. They are None for a system command, and in histories of older programs.
    """

    decided: bool
    answer: Literal["granted", "refused"] | None = None
    code: str | None = None
    moved_to: int | None = Field(default=None, exclude_if=is_absent)
