"""The path of a PUT of master data: from the request to a transaction, and from its result to the answer."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated
from uuid import uuid4

from fastapi import Depends, Request
from sqlalchemy import Connection
from starlette.responses import JSONResponse, Response

from patient_visit_engine.api.access.authentication import MasterDataSender, MasterDataSenderOrAdmin
from patient_visit_engine.api.access.sessions import Caller
from patient_visit_engine.api.commands.if_match import IfMatchHeader
from patient_visit_engine.api.dependencies import Dependencies, dependencies_of
from patient_visit_engine.api.problems import Problem
from patient_visit_engine.api.schema.master_data_requests import PutRecord
from patient_visit_engine.storage.master_data.appointment_checks import InactiveReferenceError, UnknownReferenceError
from patient_visit_engine.storage.master_data.appointments import NotReplaceableError
from patient_visit_engine.storage.master_data.identifiers import Identifier, RecordKind
from patient_visit_engine.storage.master_data.identifying import IdentifierConflictError, TooManyIdentifiersError
from patient_visit_engine.storage.master_data.prestations import PrestationInUseError
from patient_visit_engine.storage.master_data.put_requests import PutRequest, run_put
from patient_visit_engine.storage.master_data.record_bodies import read_body
from patient_visit_engine.storage.master_data.records import (
    Envelope,
    IfMatch,
    PutContext,
    PutResult,
    StaleVersionError,
)
from patient_visit_engine.wire.field_types import MAX_IDENTIFIERS

#: How far the clock of a sender may be ahead of ours.
MAX_AS_OF_AHEAD = timedelta(minutes=5)


@dataclass(frozen=True)
class PutCall:
    """One PUT over HTTP: the request, its caller, and the versions that the record must have."""

    http: Request
    caller: Caller
    if_match: IfMatch | None

    @property
    def dependencies(self) -> Dependencies:
        return dependencies_of(self.http)

    async def request(self, kind: RecordKind, target: int | Identifier, body: PutRecord) -> PutRequest:
        """The PUT of the record with this id or identifier. Raises Problem 422 `as_of_ahead`."""
        dependencies, now = self.dependencies, self.dependencies.now()
        if body.as_of is not None and body.as_of > now + MAX_AS_OF_AHEAD:
            minutes = int(MAX_AS_OF_AHEAD.total_seconds() / 60)
            raise Problem(422, "as_of_ahead", f"as_of is more than {minutes} minutes ahead of the engine's clock")
        exact = None if isinstance(target, int) else target
        identifiers = dict.fromkeys(sent.identifier for sent in body.identifiers)
        envelope = Envelope(
            caller_id=await dependencies.dispatcher.caller_ids.find_or_create(self.caller),
            target=exact,
            identifiers=tuple(identifiers | ({} if exact is None else {exact: None})),
            as_of=body.as_of,
            if_match=self.if_match,
        )
        return PutRequest(kind, target if isinstance(target, int) else None, f"put/{uuid4().hex}", now, envelope)

    async def put(
        self,
        kind: RecordKind,
        target: int | Identifier,
        body: PutRecord,
        write: Callable[[Connection, PutContext], PutResult],
    ) -> Response:
        """Run `write` on the record in one transaction, and return the record as it is then. Raises Problem."""
        request = await self.request(kind, target, body)
        with put_problems():
            result = await run_put(
                self.dependencies.database, lambda connection: write(connection, request.locate(connection))
            )
        return await self.respond(kind, result)

    async def respond(self, kind: RecordKind, result: PutResult) -> Response:
        """The record as it is stored, with its version as `ETag`."""
        # The version is read before the identifiers, so they are never older than the `ETag` says.
        body = await self.dependencies.database.read_inline(read_body, kind, result.id, self.dependencies.today())
        assert body is not None, "no program deletes records"
        body["applied"] = result.applied
        headers = {"ETag": f'"{body["version"]}"'}
        if result.created:
            headers["Location"] = f"/api/{kind}s/{result.id}"
        return JSONResponse(body, 201 if result.created else 200, headers)


@contextmanager
def put_problems() -> Iterator[None]:
    """Turn the errors of a PUT into problems."""
    try:
        yield
    except StaleVersionError:
        raise Problem(412, "stale_version", "The record has another version. Read it again") from None
    except IdentifierConflictError:
        raise Problem(409, "identifier_conflict", "An identifier belongs to another record") from None
    except TooManyIdentifiersError:
        title = f"A record has at most {MAX_IDENTIFIERS} identifiers"
        raise Problem(422, "too_many_identifiers", title) from None
    except UnknownReferenceError as error:
        title = "The appointment refers to something that does not exist"
        raise Problem(422, "unknown_reference", title, field=error.field) from None
    except InactiveReferenceError as error:
        title = "An inactive doctor or prestation takes no new appointment"
        raise Problem(422, "inactive_reference", title, field=error.field) from None
    except PrestationInUseError:
        title = "Consultations of this prestation are in progress, so `exclusive` cannot change"
        raise Problem(409, "prestation_in_use", title) from None
    except NotReplaceableError as error:
        raise Problem(409, error.code, "The appointment is done") from None


async def put_call(http: Request, caller: MasterDataSender, if_match: IfMatchHeader) -> PutCall:
    """A dependency that accepts the senders of master data."""
    return PutCall(http, caller, if_match)


async def put_call_without_patient(http: Request, caller: MasterDataSenderOrAdmin, if_match: IfMatchHeader) -> PutCall:
    """A dependency that accepts the senders of master data that has no patient."""
    return PutCall(http, caller, if_match)


PutCallOfSender = Annotated[PutCall, Depends(put_call)]
PutCallOfSenderOrAdmin = Annotated[PutCall, Depends(put_call_without_patient)]
