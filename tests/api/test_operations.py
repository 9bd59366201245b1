"""Liveness, readiness and metrics."""

import asyncio
from math import inf

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.exc import DBAPIError

from patient_visit_engine.api.app import create_app
from patient_visit_engine.api.gateway import Gateway
from patient_visit_engine.api.metrics import Metrics
from patient_visit_engine.live.hub import Hub
from patient_visit_engine.storage.log_reader import LogReader
from patient_visit_engine.storage.requests import find_open_requests, set_request_aside
from patient_visit_engine.storage.upkeep.counts import DatabaseCounts
from tests.support.api import JOHN_DERMATOLOGY, ApiDriver, start_body
from tests.support.builders import DR_OKAFOR, minutes
from tests.support.stream_process import start_stream_process


async def test_is_live_without_temporal(api: ApiDriver) -> None:
    api.visits.away = True

    assert (await (await api.anyone()).get("/livez")).json() == {"status": "live"}


async def test_readyz_names_each_dependency(api: ApiDriver) -> None:
    anyone = await api.anyone()

    ready = await anyone.get("/readyz")
    api.visits.away = True
    without_temporal = await anyone.get("/readyz")
    await api.database.write(lambda c: c.exec_driver_sql("DROP TABLE log_head"))
    without_either = await anyone.get("/readyz")

    assert (ready.status_code, ready.json()) == (
        200,
        {"status": "ready", "database": "up", "schema": "up", "temporal": "up", "workers": "up", "stream": "up"},
    )
    assert (without_temporal.status_code, without_temporal.json()["code"]) == (503, "not_ready")
    states = [(answer.json()["database"], answer.json()["temporal"]) for answer in (without_temporal, without_either)]
    assert states == [("up", "down"), ("down", "down")]


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
async def test_not_ready_while_database_is_read_only(api: ApiDriver) -> None:
    anyone, name = await api.anyone(), api.database.url.database
    read_only = f"ALTER DATABASE {name} SET default_transaction_read_only = on"
    await api.database.write(lambda connection: connection.exec_driver_sql(read_only))
    # The setting is for new sessions, so end the open ones.
    end_sessions = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    with pytest.raises(DBAPIError):
        await api.database.read(lambda connection: connection.exec_driver_sql(end_sessions))

    answer = await anyone.get("/readyz")

    assert (answer.status_code, answer.json()["database"]) == (503, "down")


async def test_not_ready_without_recent_read_of_log(api: ApiDriver) -> None:
    hub = (await start_stream_process(api.database, api.clock)).hub
    api.app = create_app(api.settings, api.database, api.visits, api.visits, hub=hub, now=api.clock)
    api.stack.callback(api.app.dependencies.sessions.close)
    anyone = await api.anyone()

    before = await anyone.get("/readyz")
    hub.window.caught_up_at = -inf
    after = await anyone.get("/readyz")

    assert (before.status_code, before.json()["stream"]) == (200, "up")
    assert (after.status_code, after.json()["code"], after.json()["stream"]) == (503, "not_ready", "down")
    assert after.json()["database"] == "up"


async def test_not_ready_while_stopping(api: ApiDriver) -> None:
    api.app.dependencies.readiness.draining = True

    answer = await (await api.anyone()).get("/readyz")

    assert (answer.status_code, answer.json()["code"]) == (503, "draining")


async def test_metrics_name_routes_and_codes_only(api: ApiDriver) -> None:
    doctor = await api.doctor()
    for _ in range(2):
        await doctor.post("/api/consultations", json=start_body())
    await (await api.doctor(DR_OKAFOR.id)).post("/api/consultations", json=start_body(JOHN_DERMATOLOGY))
    await doctor.get("/api/patients/123/visit")
    await doctor.get("/secret/place")

    text = (await (await api.anyone()).get("/metrics")).text

    samples = [s for family in text_string_to_metric_families(text) for s in family.samples]
    starts = {s.labels["code"]: s.value for s in samples if s.name == "visit_start_decisions_total"}
    routes = {s.labels["route"]: s.value for s in samples if s.name == "visit_http_requests_total"}
    assert starts == {"started": 1, "already_yours": 1, "patient_in_consultation": 1}
    assert routes["/api/patients/{patient_id}/visit"] == 1
    assert routes["unmatched"] == 1
    labels = str([s.labels for s in samples])
    assert not any(word in labels for word in ("123", "John", "secret"))


async def test_metrics_include_counts_of_stream(api: ApiDriver) -> None:
    hub = Hub(LogReader(api.database))
    hub.counters.refused["stream_not_ready"] = 3
    for seconds in (0.02, 0.02, 60):
        hub.counters.delays.count(seconds)
    app = _open_with_hub(api, hub)
    api.app = app
    supervisor = await api.staff("supervisor")

    text = (await supervisor.get("/metrics")).text
    presence = await supervisor.get("/api/presence")

    assert 'visit_stream_refused_total{reason="stream_not_ready"} 3.0' in text
    assert "visit_stream_subscribers 0.0" in text
    assert "visit_stream_lag_seconds +Inf" in text
    for line in ('bucket{le="0.01"} 0.0', 'bucket{le="0.025"} 2.0', 'bucket{le="30.0"} 2.0', 'bucket{le="+Inf"} 3.0'):
        assert f"visit_stream_delay_seconds_{line}" in text
    assert "visit_stream_delay_seconds_sum 60.04" in text
    assert presence.json() == {"items": []}
    app.dependencies.sessions.close()


async def test_metrics_count_requests_set_aside(api: ApiDriver) -> None:
    doctor, anyone = await api.doctor(), await api.anyone()
    await doctor.post("/api/consultations", json=start_body(), headers={"Prefer": "respond-async"})
    before = (await anyone.get("/metrics")).text
    (request,) = await api.database.read(find_open_requests, api.clock() + minutes(1), None, 10)
    await api.database.write(set_request_aside, request.id, api.clock())
    after = (await anyone.get("/metrics")).text
    await api.database.write(lambda connection: connection.exec_driver_sql("DROP TABLE requests"))
    without_database = await anyone.get("/metrics")

    assert "visit_requests_set_aside 0.0" in before
    assert "visit_requests_set_aside 1.0" in after
    assert without_database.status_code == 200
    assert "visit_requests_set_aside NaN" in without_database.text
    assert "visit_rescues NaN" in without_database.text


async def test_scrapes_at_one_moment_share_one_text(api: ApiDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    rendered: list[Metrics] = []
    text = Metrics.text

    def count_and_render(metrics: Metrics, counts: DatabaseCounts) -> bytes:
        rendered.append(metrics)
        return text(metrics, counts)

    monkeypatch.setattr(Metrics, "text", count_and_render)
    anyone = await api.anyone()

    scrapes = await asyncio.gather(*(anyone.get("/metrics") for _ in range(20)))

    assert {scrape.status_code for scrape in scrapes} == {200}
    assert len(rendered) < len(scrapes) / 2


def _open_with_hub(api: ApiDriver, hub: Hub) -> Gateway:
    return create_app(api.settings, api.database, api.visits, api.visits, hub=hub, now=api.clock)


async def test_unknown_key_has_no_decision(api: ApiDriver) -> None:
    doctor = await api.doctor()

    for key in ("never", "a%2Fb", "%00", "x" * 200, "%C3%A9"):
        answer = await doctor.get(f"/api/requests/{key}")
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_request")
