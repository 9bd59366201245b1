"""The floor's API process: JSON in, one workflow update, JSON out. No SQL, no accounts, no idempotency."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict
from starlette.responses import JSONResponse
from temporalio.client import Client, WithStartWorkflowOperation
from temporalio.common import WorkflowIDConflictPolicy

from bench.floor.activity import Consultation
from bench.floor.worker import TASK_QUEUE
from bench.floor.workflow import FloorVisit


class StartBody(BaseModel):
    """The body of a start, as in the engine."""

    model_config = ConfigDict(extra="forbid", strict=True)

    appointment_id: int
    patient_id: int
    doctor_id: int


def build(temporal: str) -> FastAPI:
    """The application. It connects to the Temporal server at `temporal` when it starts."""

    @asynccontextmanager
    async def connect_client(app: FastAPI) -> AsyncIterator[None]:
        app.state.client = await Client.connect(temporal)
        yield

    app = FastAPI(lifespan=connect_client, openapi_url=None)

    @app.get("/readyz")
    async def ready() -> JSONResponse:
        return JSONResponse({})

    @app.post("/api/consultations")
    async def start(body: StartBody) -> JSONResponse:
        # The id contains the patient's id, so a completion finds its workflow without a query.
        consultation_id = f"{body.patient_id}-{body.appointment_id}"
        visit = WithStartWorkflowOperation(
            FloorVisit.run,
            id=_workflow_id(body.patient_id),
            task_queue=TASK_QUEUE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )
        client: Client = app.state.client
        running = await client.execute_update_with_start_workflow(
            FloorVisit.start,
            Consultation(consultation_id, body.patient_id, body.doctor_id, body.appointment_id),
            start_workflow_operation=visit,
        )
        if running.id == consultation_id:
            started = {"id": consultation_id, "patient_id": body.patient_id, "doctor_id": body.doctor_id}
            return JSONResponse(started, 201)
        refusal = {"code": "patient_in_consultation", "active_doctor_id": running.doctor_id}
        return JSONResponse(refusal | {"consultation_id": running.id}, 409)

    @app.post("/api/consultations/{consultation_id}/complete")
    async def complete(consultation_id: str) -> JSONResponse:
        client: Client = app.state.client
        visit = client.get_workflow_handle(_workflow_id(int(consultation_id.partition("-")[0])))
        completed = await visit.execute_update(FloorVisit.complete, consultation_id)
        return JSONResponse({"id": consultation_id, "status": "completed"}, 200 if completed else 409)

    return app


def _workflow_id(patient_id: int) -> str:
    return f"floor/{patient_id}"


def main(temporal: str, port: int) -> None:
    """Serve until SIGTERM, with the engine's HTTP server and parser."""
    uvicorn.run(
        build(temporal),
        host="127.0.0.1",
        port=port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
