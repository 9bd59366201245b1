"""Many tabs of one doctor: one connection, every event once in each, whichever of them dies."""

import asyncio

from playwright.async_api import Page

from tests.support.stream_site import BrowserTabs, hears, leads, shows, until

#: Longer than a tab waits before it robs a leader that says nothing.
HANGS_FOR_MS = 5000


async def tabs_of(clinic: BrowserTabs, count: int) -> tuple[Page, list[Page]]:
    """The leading tab, and the others."""
    tabs = [await clinic.live_tab() for _ in range(count)]
    leading = [tab for tab in tabs if await leads(tab)]
    assert len(leading) == 1
    return leading[0], [tab for tab in tabs if tab is not leading[0]]


async def test_seven_tabs_have_one_stream_and_hear_every_event_once(clinic: BrowserTabs) -> None:
    leader, others = await tabs_of(clinic, 7)

    numbers = await clinic.tell(30)

    for tab in (leader, *others):
        await hears(tab, numbers)
    assert (clinic.proxy.streams, clinic.proxy.opened) == (1, 1)


async def test_without_sharing_a_seventh_tab_would_get_no_connection(clinic: BrowserTabs) -> None:
    tabs = [await clinic.live_tab(share=False) for _ in range(6)]
    assert clinic.proxy.streams == len(tabs)

    # The browser gives this origin no seventh connection, not even for the page.
    page = await clinic.context.new_page()
    loading = asyncio.create_task(page.goto(clinic.proxy.url, wait_until="commit"))
    await hears(tabs[0], await clinic.tell(3))
    assert not loading.done()

    await tabs[1].close()
    await loading


async def test_the_others_go_on_when_the_leading_tab_is_closed(clinic: BrowserTabs) -> None:
    leader, others = await tabs_of(clinic, 3)
    for tab in others:
        await hears(tab, await clinic.tell(0))

    await leader.close()
    numbers = await clinic.tell(3)

    for tab in others:
        await hears(tab, numbers)
    await until(lambda: _one_stream(clinic), "one stream")


async def test_the_others_go_on_when_the_leading_tab_crashes(clinic: BrowserTabs) -> None:
    leader, others = await tabs_of(clinic, 3)
    console = await clinic.context.new_cdp_session(leader)
    crashed = asyncio.create_task(console.send("Page.crash"))
    numbers = await clinic.tell(3)

    for tab in others:
        await hears(tab, numbers)
    await until(lambda: _one_stream(clinic), "one stream")
    crashed.cancel()
    await asyncio.gather(crashed, return_exceptions=True)


async def test_a_leading_tab_that_hangs_is_replaced_and_follows_when_it_wakes(clinic: BrowserTabs) -> None:
    leader, others = await tabs_of(clinic, 3)
    await leader.evaluate(
        f"setTimeout(() => {{ const end = Date.now() + {HANGS_FOR_MS}; while (Date.now() < end); }}) && 0"
    )
    numbers = await clinic.tell(3)

    for tab in others:
        await hears(tab, numbers)
    assert [await leads(tab) for tab in others].count(True) == 1

    await hears(leader, numbers)
    await until(lambda: _follows(leader), "the old leader follows")
    numbers = await clinic.tell()
    for tab in (leader, *others):
        await hears(tab, numbers)
        await shows(tab, "live")
    await until(lambda: _one_stream(clinic), "one stream")


async def test_a_tab_with_an_older_snapshot_hears_what_the_others_had_before_it_came(clinic: BrowserTabs) -> None:
    answer = await clinic.context.request.get(f"{clinic.proxy.url}/api/appointments")
    cursor = (await answer.json())["cursor"]
    leader, others = await tabs_of(clinic, 2)
    numbers = await clinic.tell(3)
    await hears(leader, numbers)

    late = await clinic.tab(**{"from": cursor})

    for tab in (late, leader, *others):
        await hears(tab, numbers)
    assert clinic.proxy.streams == 1


async def _one_stream(clinic: BrowserTabs) -> bool:
    return clinic.proxy.streams == 1


async def _follows(tab: Page) -> bool:
    return not await leads(tab)
