"""One tab and every cause that ends a stream. Afterwards the tab has every committed event, once and in order."""

import asyncio
from datetime import UTC, datetime
from functools import partial

import pytest
from sqlalchemy import text

from patient_visit_engine.visit.calendar import to_rfc3339
from tests.support.revoked_accounts import revoke_account
from tests.support.stream_site import BrowserTabs, count_resets, expect_numbers, expect_state
from tests.support.waiting import wait_until_async


async def test_stream_from_snapshot_brings_later_events(tabs: BrowserTabs) -> None:
    await tabs.commit_events(2)
    answer = await tabs.context.request.get(f"{tabs.proxy.url}/api/appointments")
    cursor = (await answer.json())["cursor"]
    numbers = await tabs.commit_events(3)

    tab = await tabs.live_tab(**{"from": cursor})

    await expect_numbers(tab, numbers[2:])


@pytest.mark.parametrize("mode", ["502", "html"])
async def test_resumes_after_restart_behind_proxy(tabs: BrowserTabs, mode: str) -> None:
    tab = await tabs.live_tab()
    await expect_numbers(tab, await tabs.commit_events())

    tabs.proxy.mode = mode
    await asyncio.to_thread(tabs.api.kill)
    tabs.proxy.cut()
    await expect_state(tab, "offline")
    numbers = await tabs.commit_events(3)
    await tabs.start_api()
    tabs.proxy.mode = "open"

    await expect_numbers(tab, numbers)
    assert await count_resets(tab) == 0


async def test_resumes_after_orderly_stop_of_api(tabs: BrowserTabs) -> None:
    tab = await tabs.live_tab()
    await expect_numbers(tab, await tabs.commit_events())

    await asyncio.to_thread(tabs.api.stop)
    numbers = await tabs.commit_events()
    await tabs.start_api()

    await expect_numbers(tab, numbers)


async def test_resumes_exactly_after_cut_connections(tabs: BrowserTabs) -> None:
    tab = await tabs.live_tab()

    for _ in range(3):
        await tabs.commit_events(2)
        tabs.proxy.cut()
        numbers = await tabs.commit_events(2)
        await expect_numbers(tab, numbers)


async def test_detects_lost_packets_and_resumes(tabs: BrowserTabs) -> None:
    tab = await tabs.live_tab()
    await expect_numbers(tab, await tabs.commit_events())

    tabs.proxy.lose()
    numbers = await tabs.commit_events(2)
    await expect_state(tab, "offline")
    tabs.proxy.mode = "open"

    await expect_numbers(tab, numbers)
    await expect_state(tab, "live")


async def test_continues_after_sign_out_and_sign_in(
    tabs: BrowserTabs,
) -> None:
    tab = await tabs.live_tab()
    await tabs.context.request.delete(f"{tabs.proxy.url}/api/session")
    await expect_state(tab, "signed_out")
    opened_before = tabs.proxy.opened
    numbers = await tabs.commit_events()

    await tabs.sign_in()
    await tab.evaluate("stream.retry()")

    await expect_numbers(tab, numbers)
    assert tabs.proxy.opened == opened_before + 1


async def test_revoked_account_is_shown_as_signed_out(tabs: BrowserTabs) -> None:
    tab = await tabs.live_tab()

    await tabs.database.write(revoke_account, tabs.username, datetime.now(UTC))

    await expect_state(tab, "signed_out")


async def test_expired_session_is_shown_as_signed_out(tabs: BrowserTabs) -> None:
    tab = await tabs.live_tab()

    past = to_rfc3339(datetime(2026, 1, 1, tzinfo=UTC))
    await tabs.database.write(
        lambda connection: connection.execute(text("UPDATE sessions SET expires_at = :past"), {"past": past})
    )

    await expect_state(tab, "signed_out")


async def test_refuses_foreign_channel(tabs: BrowserTabs) -> None:
    tab = await tabs.tab(channels=["doctor.8"])

    await expect_state(tab, "refused")
    assert await tab.evaluate("stream.state.status") == 403


async def test_catches_up_after_network_returns(tabs: BrowserTabs) -> None:
    tab = await tabs.live_tab()
    await tabs.context.set_offline(True)
    tabs.proxy.cut()
    await expect_state(tab, "offline")
    numbers = await tabs.commit_events()

    await tabs.context.set_offline(False)

    await expect_numbers(tab, numbers)
    await expect_state(tab, "live")


async def test_replaced_log_resets_every_tab(tabs: BrowserTabs) -> None:
    pages = [await tabs.live_tab() for _ in range(3)]
    for tab in pages:
        await expect_numbers(tab, await tabs.commit_events(0))
    await asyncio.to_thread(tabs.api.kill)
    await tabs.database.write(lambda connection: connection.execute(text("UPDATE log_head SET epoch = 'restored'")))
    await tabs.start_api()

    for tab in pages:
        await wait_until_async(partial(tab.evaluate, "resets.length > 0"), "a reset")
        await expect_state(tab, "live")
    numbers = await tabs.commit_events()

    for tab in pages:
        await expect_numbers(tab, numbers)
        assert await count_resets(tab) == 1


async def test_pruned_events_cause_reset(tabs: BrowserTabs) -> None:
    tab = await tabs.live_tab()
    await asyncio.to_thread(tabs.api.kill)
    await tabs.commit_events(2)
    await tabs.database.write(lambda connection: connection.execute(text("DELETE FROM events")))

    await tabs.start_api()

    await wait_until_async(lambda: tab.evaluate("resets.length === 1"), "a reset")
