"""Looks at the end of a generated day for patients who came and were lost: neither seen, nor left, nor on the board."""

from collections.abc import Iterable
from typing import Any

from patient_visit_engine.cli.replay.request_sender import RequestSender
from patient_visit_engine.cli.replay.tokens import Tokens
from patient_visit_engine.visit.codes import Outcome

#: Outcomes of a patient who was seen, or whose stay has ended.
ENDED = frozenset({Outcome.done.value, Outcome.left.value, Outcome.cancelled.value})


async def find_lost_patients(sender: RequestSender, tokens: Tokens, patient_ids: Iterable[int]) -> list[int]:
    """The lost ones of these patients. It reads the board first, so a patient who leaves while it reads is not lost."""
    headers = {"Authorization": f"Bearer {tokens.sign('supervisor', 1)}"}

    async def read(path: str) -> dict[str, Any]:
        answer = await sender.send("GET", path, headers)
        if answer is None or not answer.response.is_success:
            # Counted: a day that could not be checked was not without faults.
            sender.tally.errors[f"no answer of {path.partition('/patients/')[0]}"] += 1
            return {"items": [], "total": 0}
        body: dict[str, Any] = answer.response.json()
        return body

    board = await read("/api/board")
    shown = {item["patient_id"] for item in board["items"]}
    trackings = {patient: (await read(f"/api/patients/{patient}/trackings"))["items"] for patient in patient_ids}
    # A board that is too long to be complete proves nothing.
    is_complete = board["total"] <= len(shown)
    return [patient for patient, rows in trackings.items() if is_complete and patient not in shown and _is_lost(rows)]


def _is_lost(trackings: list[dict[str, Any]]) -> bool:
    outcomes = {row["outcome"] for row in trackings} - {Outcome.mistaken.value}
    return bool(outcomes) and not outcomes & ENDED
