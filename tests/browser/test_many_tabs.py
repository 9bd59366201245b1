"""Many tabs of one doctor share one connection. Each tab gets every event once, even when another tab dies."""

import asyncio

from playwright.async_api import Page

from tests.support.stream_site import BrowserTabs, expect_numbers, expect_state, is_leader
from tests.support.waiting import wait_until_async

#: Longer than a tab waits before it takes the leadership from a silent leader.
HANG_MS = 5000


async def open_tabs(tabs: BrowserTabs, count: int) -> tuple[Page, list[Page]]:
    """Open live tabs. Return the leader and the other tabs."""
    pages = [await tabs.live_tab() for _ in range(count)]
    leaders = [page for page in pages if await is_leader(page)]
    assert len(leaders) == 1
    return leaders[0], [page for page in pages if page is not leaders[0]]


async def test_seven_tabs_share_one_stream(tabs: BrowserTabs) -> None:
    leader, others = await open_tabs(tabs, 7)

    numbers = await tabs.commit_events(30)

    for tab in (leader, *others):
        await expect_numbers(tab, numbers)
    assert (tabs.proxy.streams, tabs.proxy.opened) == (1, 1)


async def test_seventh_unshared_tab_gets_no_connection(tabs: BrowserTabs) -> None:
    pages = [await tabs.live_tab(share=False) for _ in range(6)]
    assert tabs.proxy.streams == len(pages)

    # The browser allows six connections per origin, so not even the page can load.
    page = await tabs.context.new_page()
    loading = asyncio.create_task(page.goto(tabs.proxy.url, wait_until="commit"))
    await expect_numbers(pages[0], await tabs.commit_events(3))
    assert not loading.done()

    await pages[1].close()
    await loading


async def test_others_continue_after_leader_is_closed(tabs: BrowserTabs) -> None:
    leader, others = await open_tabs(tabs, 3)
    for tab in others:
        await expect_numbers(tab, await tabs.commit_events(0))

    await leader.close()
    numbers = await tabs.commit_events(3)

    for tab in others:
        await expect_numbers(tab, numbers)
    await wait_until_async(lambda: _has_one_stream(tabs), "one stream")


async def test_others_continue_after_leader_crashes(tabs: BrowserTabs) -> None:
    leader, others = await open_tabs(tabs, 3)
    devtools = await tabs.context.new_cdp_session(leader)
    crash = asyncio.create_task(devtools.send("Page.crash"))
    numbers = await tabs.commit_events(3)

    for tab in others:
        await expect_numbers(tab, numbers)
    await wait_until_async(lambda: _has_one_stream(tabs), "one stream")
    crash.cancel()
    await asyncio.gather(crash, return_exceptions=True)


async def test_hanging_leader_is_replaced_then_follows(tabs: BrowserTabs) -> None:
    leader, others = await open_tabs(tabs, 3)
    await leader.evaluate(f"setTimeout(() => {{ const end = Date.now() + {HANG_MS}; while (Date.now() < end); }}) && 0")
    numbers = await tabs.commit_events(3)

    for tab in others:
        await expect_numbers(tab, numbers)
    assert [await is_leader(tab) for tab in others].count(True) == 1

    await expect_numbers(leader, numbers)
    await wait_until_async(lambda: _is_follower(leader), "the old leader to follow")
    numbers = await tabs.commit_events()
    for tab in (leader, *others):
        await expect_numbers(tab, numbers)
        await expect_state(tab, "live")
    await wait_until_async(lambda: _has_one_stream(tabs), "one stream")


async def test_older_snapshot_gets_earlier_events(tabs: BrowserTabs) -> None:
    answer = await tabs.context.request.get(f"{tabs.proxy.url}/api/appointments")
    cursor = (await answer.json())["cursor"]
    leader, others = await open_tabs(tabs, 2)
    numbers = await tabs.commit_events(3)
    await expect_numbers(leader, numbers)

    new_tab = await tabs.tab(**{"from": cursor})

    for tab in (new_tab, leader, *others):
        await expect_numbers(tab, numbers)
    assert tabs.proxy.streams == 1


async def _has_one_stream(tabs: BrowserTabs) -> bool:
    return tabs.proxy.streams == 1


async def _is_follower(tab: Page) -> bool:
    return not await is_leader(tab)
