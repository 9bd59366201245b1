"""The floor's API process: JSON in, one update, JSON out; it must not know SQL, accounts, or whether it was asked before."""

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


class Start(BaseModel):
    """The engine's body of a start."""

    model_config = ConfigDict(extra="forbid", strict=True)

    appointment_id: int
    patient_id: int
    doctor_id: int


def build(temporal: str) -> FastAPI:
    """The application, connected to the server at `temporal` once it runs."""

    @asynccontextmanager
    async def connected(app: FastAPI) -> AsyncIterator[None]:
        app.state.client = await Client.connect(temporal)
        yield

    app = FastAPI(lifespan=connected, openapi_url=None)

    @app.get("/readyz")
    async def ready() -> JSONResponse:
        return JSONResponse({})

    @app.post("/api/consultations")
    async def start(asked: Start) -> JSONResponse:
        # The id names the patient, so that completing it needs no look into the database.
        mine = f"{asked.patient_id}-{asked.appointment_id}"
        visit = WithStartWorkflowOperation(
            FloorVisit.run,
            id=_visit(asked.patient_id),
            task_queue=TASK_QUEUE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )
        client: Client = app.state.client
        holder = await client.execute_update_with_start_workflow(
            FloorVisit.start,
            Consultation(mine, asked.patient_id, asked.doctor_id, asked.appointment_id),
            start_workflow_operation=visit,
        )
        if holder.id == mine:
            return JSONResponse({"id": mine, "patient_id": asked.patient_id, "doctor_id": asked.doctor_id}, 201)
        refusal = {"code": "patient_in_consultation", "active_doctor_id": holder.doctor_id}
        return JSONResponse(refusal | {"consultation_id": holder.id}, 409)

    @app.post("/api/consultations/{consultation_id}/complete")
    async def complete(consultation_id: str) -> JSONResponse:
        client: Client = app.state.client
        visit = client.get_workflow_handle(_visit(int(consultation_id.partition("-")[0])))
        done = await visit.execute_update(FloorVisit.complete, consultation_id)
        return JSONResponse({"id": consultation_id, "status": "completed"}, 200 if done else 409)

    return app


def _visit(patient_id: int) -> str:
    return f"floor/{patient_id}"


def main(temporal: str, port: int) -> None:
    """Serve until SIGTERM, by the same server and parsers as the engine."""
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
