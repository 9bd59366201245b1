"""Staff accounts: how an admin lists, adds and changes them."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Path, Query, Request
from sqlalchemy import Connection
from starlette.responses import JSONResponse, Response

from patient_visit_engine.api.access.authentication import Admin
from patient_visit_engine.api.access.passwords import draw_password
from patient_visit_engine.api.access.sessions import Caller
from patient_visit_engine.api.commands.idempotency import Key, stored_response
from patient_visit_engine.api.commands.kept_calls import KeptCall
from patient_visit_engine.api.dependencies import dependencies_of
from patient_visit_engine.api.problems import NotFound, Problem
from patient_visit_engine.api.schema import account_requests
from patient_visit_engine.api.schema.fields import TextId
from patient_visit_engine.api.schema.openapi import BODY_PROBLEMS, STAFF_PROBLEMS, responses
from patient_visit_engine.api.schema.queries import AccountsQuery
from patient_visit_engine.api.schema.query_check import QUERY_CHECK
from patient_visit_engine.storage import account_changes
from patient_visit_engine.storage.account_changes import AccountChange, NewAccount
from patient_visit_engine.storage.account_list import list_accounts, read_account
from patient_visit_engine.storage.kept_answers import KeptAnswer
from patient_visit_engine.wire import account_bodies
from patient_visit_engine.wire.problems import problem_body

router = APIRouter(tags=["accounts"], dependencies=[QUERY_CHECK])
logger = structlog.get_logger(__name__)

AccountId = Annotated[TextId, Path()]
CHANGE_PROBLEMS = (*STAFF_PROBLEMS, *BODY_PROBLEMS, 409)


@router.get(
    "/api/accounts", response_model=None, responses=responses({200: account_bodies.Accounts}, *STAFF_PROBLEMS, 422)
)
async def show_accounts(query: Annotated[AccountsQuery, Query()], _caller: Admin, http: Request) -> Response:
    """All staff accounts, also revoked ones, in the order of their usernames."""
    every_account = await dependencies_of(http).database.read(list_accounts)
    first = (query.page - 1) * query.page_size
    page: account_bodies.Accounts = {
        "items": every_account[first : first + query.page_size],
        "page": query.page,
        "page_size": query.page_size,
        "total": len(every_account),
    }
    return JSONResponse(page)


@router.get(
    "/api/accounts/{account_id}",
    response_model=None,
    responses=responses({200: account_bodies.Account}, *STAFF_PROBLEMS, 404, 422),
)
async def show_account(account_id: AccountId, _caller: Admin, http: Request) -> Response:
    """One staff account."""
    account = await dependencies_of(http).database.read(read_account, account_id)
    if account is None:
        raise NotFound("account")
    return JSONResponse(account)


@router.post(
    "/api/accounts",
    # Without it, FastAPI documents a 200 too.
    status_code=201,
    response_model=None,
    responses=responses({201: account_bodies.AddedAccount}, *CHANGE_PROBLEMS),
)
async def add_account(body: account_requests.AddAccount, caller: Admin, key: Key, http: Request) -> Response:
    """Add an account. A password that is not sent is drawn, and only the first answer has it."""
    password = draw_password() if body.password is None else body.password.get_secret_value()

    async def prepare() -> Callable[[Connection], KeptAnswer]:
        password_hash = await dependencies_of(http).sessions.hash_password(password)
        new = NewAccount(body.username, password_hash, body.name, body.role, body.doctor_id)

        def carry_out(connection: Connection) -> KeptAnswer:
            with account_problems():
                try:
                    account_id = account_changes.create_account(connection, new)
                except account_changes.UsernameTakenError:
                    return _refused(Problem(409, "username_taken", "Another account has this username"))
            return KeptAnswer(201, _stored(connection, account_id), f"/api/accounts/{account_id}")

        return carry_out

    stored, is_new = await KeptCall(http, caller, key).answer(body, prepare)
    if not is_new or stored.status != 201 or stored.body is None:
        return stored_response(stored)
    added: dict[str, Any] = json.loads(stored.body)
    _log("account added", added["id"], caller)
    if body.password is None:
        added["password"] = password
    return JSONResponse(added, 201, {"Location": stored.location or ""})


@router.patch(
    "/api/accounts/{account_id}",
    response_model=None,
    responses=responses({200: account_bodies.Account}, *CHANGE_PROBLEMS, 404),
)
async def change_account(
    account_id: AccountId, body: account_requests.ChangeAccount, caller: Admin, key: Key, http: Request
) -> Response:
    """Change the shown name, the role or the doctor of an account, revoke it, or restore it.

    The account's sessions end, unless only its name changes. The last active admin can neither be revoked nor get another role.
    """
    change = AccountChange(body.name, body.role, body.doctor_id, body.active)
    now = dependencies_of(http).now()

    async def prepare() -> Callable[[Connection], KeptAnswer]:
        return carry_out

    def carry_out(connection: Connection) -> KeptAnswer:
        with account_problems():
            try:
                if not account_changes.change_account(connection, account_id, change, now):
                    raise NotFound("account")
            except account_changes.UsernameTakenError:
                return _refused(Problem(409, "username_taken", "Another account has this username"))
            except account_changes.LastAdminError:
                return _refused(Problem(409, "last_admin", "Without this account there would be no active admin"))
        return KeptAnswer(200, _stored(connection, account_id))

    stored, is_new = await KeptCall(http, caller, key).answer(body, prepare)
    if is_new and stored.status == 200:
        _log("account changed", account_id, caller)
    return stored_response(stored)


@contextmanager
def account_problems() -> Iterator[None]:
    """Turn what is wrong with the request into problems. They are not kept under the key."""
    try:
        yield
    except account_changes.DoctorMismatchError:
        title = "An account with the role doctor needs doctor_id, and no other account has one"
        raise Problem(422, "doctor_mismatch", title) from None
    except account_changes.UnknownDoctorError:
        title = "The account refers to a doctor that does not exist"
        raise Problem(422, "unknown_reference", title, field="doctor_id") from None


def _refused(problem: Problem) -> KeptAnswer:
    return KeptAnswer(problem.status, problem_body(problem.status, problem.code, problem.title))


def _stored(connection: Connection, account_id: int) -> account_bodies.Account:
    account = read_account(connection, account_id)
    assert account is not None, "no program deletes accounts"
    return account


def _log(event: str, account_id: int, caller: Caller) -> None:
    """So that the log shows who changed which account. A token's subject may be a name, so it stays out."""
    logger.info(event, account=account_id, by=caller.created_by if caller.by_cookie else "a program")
