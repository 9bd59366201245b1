"""Prepares the Temporal namespace: the retention of closed visits and the search attributes."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from time import monotonic

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    RegisterNamespaceRequest,
    UpdateNamespaceRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from patient_visit_engine.runtime.dev_server import SEARCH_ATTRIBUTES
from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.runtime.settings import Settings
from patient_visit_engine.runtime.task_queue import find_workers
from patient_visit_engine.runtime.temporal import connect

#: Temporal must remember a closed day as long as an Idempotency-Key is valid. Otherwise the day would open again, empty.
RETENTION = timedelta(days=7)
#: How long the frontend may take to start.
START_TIMEOUT = timedelta(seconds=30)
RETRY_INTERVAL_SECONDS = 0.05
ATTRIBUTE_TYPES = {
    "Int": IndexedValueType.INDEXED_VALUE_TYPE_INT,
    "Keyword": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "KeywordList": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST,
    "Datetime": IndexedValueType.INDEXED_VALUE_TYPE_DATETIME,
}
TEMPORARY_STATUSES = {
    RPCStatusCode.UNAVAILABLE,
    RPCStatusCode.DEADLINE_EXCEEDED,
    RPCStatusCode.RESOURCE_EXHAUSTED,
    RPCStatusCode.NOT_FOUND,  # on a cluster, for some seconds after the namespace is registered
}


def describe_unknown_namespace(name: str) -> str:
    """One line for the operator."""
    return f"VISIT_TEMPORAL_NAMESPACE: Temporal has no namespace {name}: correct the name or run `visit-engine migrate`"


async def check_exists(client: Client) -> None:
    """Raise `OperatorError` when the namespace does not exist. Other errors of Temporal pass: a worker retries those."""
    try:
        await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise OperatorError(describe_unknown_namespace(client.namespace)) from None


def ignore(_change: str) -> None:
    """Report nothing."""


async def prepare(
    settings: Settings, start_timeout: timedelta = START_TIMEOUT, report: Callable[[str], None] = ignore
) -> Client:
    """Wait for the frontend, then create or adapt the namespace. A second call changes nothing.

    `report` is called with each change, in words: what was missing, and is there now.
    Raises `OperatorError` when Temporal does not answer within `start_timeout`, refuses, or has a search attribute with another type.
    """
    deadline = monotonic() + start_timeout.total_seconds()
    while True:
        try:
            async with asyncio.timeout(max(deadline - monotonic(), RETRY_INTERVAL_SECONDS)):
                client = await connect(settings)
                await _ensure_retention(client, report)
                await _register_search_attributes(client, report)
            return client
        except (RuntimeError, TimeoutError, RPCError) as error:
            if isinstance(error, RPCError) and error.status not in TEMPORARY_STATUSES:
                raise _refusal(settings.temporal_namespace, error) from error
            if monotonic() >= deadline:
                address, seconds = settings.effective_temporal_address, start_timeout.total_seconds()
                problem = f"no Temporal frontend answered at {address} within {seconds:g} s"
                detail = str(error).partition("\n")[0]
                raise OperatorError(f"VISIT_TEMPORAL_ADDRESS: {problem}{detail and f' ({detail})'}") from None
        await asyncio.sleep(RETRY_INTERVAL_SECONDS)


def _refusal(name: str, error: RPCError) -> OperatorError:
    unknown_caller = error.status is RPCStatusCode.UNAUTHENTICATED
    setting = "VISIT_TEMPORAL_API_KEY" if unknown_caller else "VISIT_TEMPORAL_NAMESPACE"
    reason = f"{error.status.name}: {error.message}".partition("\n")[0]
    return OperatorError(f"{setting}: Temporal refused to prepare namespace {name} ({reason})")


async def wait_for_worker(client: Client, task_queue: str) -> None:
    """Return when a worker polls the task queue. It waits without a limit, so the caller sets a timeout."""
    while True:
        with contextlib.suppress(RPCError):
            if await find_workers(client, task_queue, datetime.now(UTC)):
                return
        await asyncio.sleep(RETRY_INTERVAL_SECONDS)


async def missing_search_attributes(client: Client) -> list[str]:
    """The search attributes that visits need and the namespace does not have. Raises RPCError."""
    request = ListSearchAttributesRequest(namespace=client.namespace)
    try:
        listing = await client.operator_service.list_search_attributes(request)
    except RPCError as error:
        if error.status in {RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED}:
            # A hosted service may keep this call to itself.
            return []
        raise
    return [name for name in SEARCH_ATTRIBUTES if name not in listing.custom_attributes]


async def _ensure_retention(client: Client, report: Callable[[str], None]) -> None:
    service = client.workflow_service
    describe_request = DescribeNamespaceRequest(namespace=client.namespace)
    try:
        description = await service.describe_namespace(describe_request)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        register_request = RegisterNamespaceRequest(namespace=client.namespace)
        register_request.workflow_execution_retention_period.FromTimedelta(RETENTION)
        if await _is_new(service.register_namespace(register_request)):
            report(f"namespace {client.namespace} was missing and is registered")
        description = await service.describe_namespace(describe_request)
    if description.config.workflow_execution_retention_ttl.ToTimedelta() < RETENTION:
        update_request = UpdateNamespaceRequest(namespace=client.namespace)
        update_request.config.workflow_execution_retention_ttl.FromTimedelta(RETENTION)
        await service.update_namespace(update_request)
        report(f"namespace {client.namespace} kept closed visits for too short a time")


async def _register_search_attributes(client: Client, report: Callable[[str], None]) -> None:
    service = client.operator_service
    listing = await service.list_search_attributes(ListSearchAttributesRequest(namespace=client.namespace))
    existing = listing.custom_attributes
    needed = {name: ATTRIBUTE_TYPES[kind] for name, kind in SEARCH_ATTRIBUTES.items()}
    for name in needed.keys() & existing.keys():
        if existing[name] != needed[name]:
            raise OperatorError(
                f"VISIT_TEMPORAL_NAMESPACE: Temporal has search attribute {name} with another type than {SEARCH_ATTRIBUTES[name]}:"
                " use another namespace"
            )
    if missing := {name: kind for name, kind in needed.items() if name not in existing}:
        request = AddSearchAttributesRequest(namespace=client.namespace, search_attributes=missing)
        if await _is_new(service.add_search_attributes(request)):
            report(f"search attributes {', '.join(missing)} were missing and are added")


async def _is_new(call: Awaitable[object]) -> bool:
    """Whether the call has created something, and not another process before it."""
    try:
        await call
    except RPCError as error:
        if error.status is not RPCStatusCode.ALREADY_EXISTS:
            raise
        return False
    return True
