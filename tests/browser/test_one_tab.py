"""One tab through everything that ends a stream: what is on its screen is all that was committed, once and in order."""

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from patient_visit_engine.storage import accounts
from patient_visit_engine.visit.calendar import to_rfc3339
from tests.support.stream_site import BrowserTabs, hears, resets, shows, until


async def test_a_screen_that_streams_from_its_snapshot_hears_what_was_told_since(clinic: BrowserTabs) -> None:
    await clinic.tell(2)
    answer = await clinic.context.request.get(f"{clinic.proxy.url}/api/appointments")
    cursor = (await answer.json())["cursor"]
    numbers = await clinic.tell(3)

    tab = await clinic.live_tab(**{"from": cursor})

    await hears(tab, numbers[2:])


@pytest.mark.parametrize("mode", ["502", "html"])
async def test_a_screen_comes_back_from_a_restart_behind_a_proxy(clinic: BrowserTabs, mode: str) -> None:
    tab = await clinic.live_tab()
    await hears(tab, await clinic.tell())

    clinic.proxy.mode = mode
    await asyncio.to_thread(clinic.api.kill)
    clinic.proxy.cut()
    await shows(tab, "offline")
    numbers = await clinic.tell(3)
    await clinic.start_api()
    clinic.proxy.mode = "open"

    await hears(tab, numbers)
    assert await resets(tab) == 0


async def test_a_screen_comes_back_by_itself_when_the_api_stops_in_order(clinic: BrowserTabs) -> None:
    tab = await clinic.live_tab()
    await hears(tab, await clinic.tell())

    await asyncio.to_thread(clinic.api.stop)
    numbers = await clinic.tell()
    await clinic.start_api()

    await hears(tab, numbers)


async def test_a_screen_whose_connection_is_cut_misses_nothing_and_hears_nothing_twice(clinic: BrowserTabs) -> None:
    tab = await clinic.live_tab()

    for _ in range(3):
        numbers = await clinic.tell(2)
        clinic.proxy.cut()
        numbers = await clinic.tell(2)
        await hears(tab, numbers)


async def test_a_screen_whose_packets_vanish_notices_and_resumes(clinic: BrowserTabs) -> None:
    tab = await clinic.live_tab()
    await hears(tab, await clinic.tell())

    clinic.proxy.lose()
    numbers = await clinic.tell(2)
    await shows(tab, "offline")
    clinic.proxy.mode = "open"

    await hears(tab, numbers)
    await shows(tab, "live")


async def test_a_screen_says_signed_out_when_the_session_is_ended_and_goes_on_after_signing_in(
    clinic: BrowserTabs,
) -> None:
    tab = await clinic.live_tab()
    await clinic.context.request.delete(f"{clinic.proxy.url}/api/session")
    await shows(tab, "signed_out")
    opened = clinic.proxy.opened
    numbers = await clinic.tell()

    await clinic.sign_in()
    await tab.evaluate("stream.retry()")

    await hears(tab, numbers)
    assert clinic.proxy.opened == opened + 1


async def test_a_screen_says_signed_out_when_the_account_is_revoked(clinic: BrowserTabs) -> None:
    tab = await clinic.live_tab()

    await clinic.database.write(accounts.revoke, clinic.username, datetime.now(UTC))

    await shows(tab, "signed_out")


async def test_a_screen_says_signed_out_when_the_session_expires(clinic: BrowserTabs) -> None:
    tab = await clinic.live_tab()

    past = to_rfc3339(datetime(2026, 1, 1, tzinfo=UTC))
    await clinic.database.write(lambda at: at.execute(text("UPDATE sessions SET expires_at = :past"), {"past": past}))

    await shows(tab, "signed_out")


async def test_a_screen_that_asks_for_a_foreign_channel_is_refused(clinic: BrowserTabs) -> None:
    tab = await clinic.tab(channels=["doctor.8"])

    await shows(tab, "refused")
    assert await tab.evaluate("stream.state.status") == 403


async def test_a_screen_says_offline_without_a_network_and_catches_up_when_it_is_back(clinic: BrowserTabs) -> None:
    tab = await clinic.live_tab()
    await clinic.context.set_offline(True)
    clinic.proxy.cut()
    await shows(tab, "offline")
    numbers = await clinic.tell()

    await clinic.context.set_offline(False)

    await hears(tab, numbers)
    await shows(tab, "live")


async def test_every_screen_reads_again_when_another_log_takes_the_place_of_this_one(clinic: BrowserTabs) -> None:
    tabs = [await clinic.live_tab() for _ in range(3)]
    for tab in tabs:
        await hears(tab, await clinic.tell(0))
    await asyncio.to_thread(clinic.api.kill)
    await clinic.database.write(lambda at: at.execute(text("UPDATE log_head SET epoch = 'restored'")))
    await clinic.start_api()

    for tab in tabs:
        await until(lambda tab=tab: tab.evaluate("resets.length > 0"), "a reset")
        await shows(tab, "live")
    numbers = await clinic.tell()

    for tab in tabs:
        await hears(tab, numbers)
        assert await resets(tab) == 1


async def test_a_screen_reads_again_when_what_it_missed_is_no_longer_kept(clinic: BrowserTabs) -> None:
    tab = await clinic.live_tab()
    await asyncio.to_thread(clinic.api.kill)
    await clinic.tell(2)
    await clinic.database.write(lambda at: at.execute(text("DELETE FROM events")))

    await clinic.start_api()

    await until(lambda: tab.evaluate("resets.length === 1"), "a reset")
