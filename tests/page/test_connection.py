"""What the page does when the network or the server fails, and when it comes back."""

import asyncio

from playwright.async_api import expect

from tests.support.page_site import StaffPages, complete, notices, row, row_button, wait_until_live, wait_until_offline
from tests.support.waiting import wait_until_async


async def test_stale_rows_catch_up_after_network_cut(staff: StaffPages) -> None:
    first, second = staff.new_doctor(), staff.new_doctor()
    _, (first_appointment, second_appointment) = await staff.new_patient(first, second)
    proxy = await staff.start_proxy()
    second_page = await staff.open_page(second, base=proxy.url)
    first_page = await staff.open_page(first)

    proxy.mode = "502"
    proxy.cut()
    await wait_until_offline(second_page)
    await row_button(first_page, first_appointment, "Start").click()
    await expect(row(first_page, first_appointment)).to_contain_text("In consultation with you")

    await expect(second_page.locator(".light")).to_contain_text("Offline since ")
    await expect(second_page.locator(".worklist.stale")).to_be_visible()
    await expect(row(second_page, second_appointment)).to_contain_text("Free")
    proxy.mode = "open"
    await wait_until_live(second_page)
    await expect(row(second_page, second_appointment)).to_contain_text(f"With Dr. {first}")
    await expect(second_page.locator(".stale")).to_have_count(0)


async def test_day_changed_during_outage_loads_later(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    _, (appointment,) = await staff.new_patient(doctor)
    proxy = await staff.start_proxy()
    page = await staff.open_page(doctor, base=proxy.url)
    proxy.mode = "html"
    proxy.cut()
    await wait_until_offline(page)

    await page.get_by_role("button", name="Day after").click()
    await page.get_by_role("button", name="Day before").click()
    proxy.mode = "open"

    await wait_until_live(page)
    await expect(row_button(page, appointment, "Start")).to_be_visible()


async def test_lost_answer_is_retried_and_starts_once(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    patient, (appointment,) = await staff.new_patient(doctor)
    proxy = await staff.start_proxy()
    page = await staff.open_page(doctor, base=proxy.url)
    presses: list[dict[str, str]] = []
    page.on(
        "request",
        lambda request: presses.append(request.headers) if request.url.endswith("/api/consultations") else None,
    )

    proxy.mode = "502"
    await row_button(page, appointment, "Start").click()
    await expect(row(page, appointment)).to_contain_text("Asking again")
    proxy.mode = "open"

    await expect(row(page, appointment)).to_contain_text("In consultation with you")
    assert len(presses) > 1
    assert len({headers["idempotency-key"] for headers in presses}) == 1
    assert len({headers["x-request-id"] for headers in presses}) == len(presses)
    trackings = await staff.page_site.query("SELECT id FROM patient_trackings WHERE patient_id = :p", p=patient)
    assert len(trackings) == 1


async def test_pages_reconnect_after_a_killed_server(staff: StaffPages) -> None:
    first, second = staff.new_doctor(), staff.new_doctor()
    _, (first_appointment, second_appointment) = await staff.new_patient(first, second)
    first_page, second_page = await staff.open_page(first), await staff.open_page(second)

    staff.engine.api.kill()
    await asyncio.gather(wait_until_offline(first_page), wait_until_offline(second_page))
    staff.engine.api.start()
    await staff.engine.wait_until_ready()
    await asyncio.gather(wait_until_live(first_page), wait_until_live(second_page))

    await row_button(first_page, first_appointment, "Start").click()
    await expect(row(second_page, second_appointment)).to_contain_text(f"With Dr. {first}")


async def test_seven_tabs_share_one_stream(staff: StaffPages) -> None:
    first, second = staff.new_doctor(), staff.new_doctor()
    _, (first_appointment, second_appointment) = await staff.new_patient(first, second)
    proxy = await staff.start_proxy()
    browser = await staff.open_browser(second, base=proxy.url)
    tabs = [await browser.new_page() for _ in range(7)]
    for tab in tabs:
        await tab.goto("/worklist")
        await wait_until_live(tab)
    assert proxy.streams == 1
    first_page = await staff.open_page(first)

    await row_button(first_page, first_appointment, "Start").click()

    for tab in tabs:
        await expect(row(tab, second_appointment)).to_contain_text(f"With Dr. {first}")
    await tabs[0].close()
    await complete(first_page, first_appointment)
    for tab in tabs[1:]:
        await expect(row(tab, second_appointment)).to_contain_text("Free")


async def test_refused_start_updates_a_stale_row(staff: StaffPages) -> None:
    first, second = staff.new_doctor(), staff.new_doctor()
    patient, (first_appointment, second_appointment) = await staff.new_patient(first, second)
    browser = await staff.open_browser(second)
    await browser.route("**/api/events*", lambda route: route.abort())
    second_page = await browser.new_page()
    await second_page.goto("/worklist")
    await expect(row_button(second_page, second_appointment, "Start")).to_be_visible()
    assert (await staff.engine.start(first, patient, first_appointment)).status_code == 201

    await row_button(second_page, second_appointment, "Start").click()

    await expect(notices(second_page)).to_contain_text(f"With Dr. {first} for Cardiology")
    await expect(row(second_page, second_appointment)).to_contain_text(f"With Dr. {first}")


async def test_frozen_tab_catches_up_when_resumed(staff: StaffPages) -> None:
    first, second = staff.new_doctor(), staff.new_doctor()
    _, (first_appointment, second_appointment) = await staff.new_patient(first, second)
    second_page, first_page = await staff.open_page(second), await staff.open_page(first)
    session = await second_page.context.new_cdp_session(second_page)
    await session.send("Page.setWebLifecycleState", {"state": "frozen"})

    await row_button(first_page, first_appointment, "Start").click()
    await expect(row(first_page, first_appointment)).to_contain_text("In consultation with you")
    await session.send("Page.setWebLifecycleState", {"state": "active"})

    async def shows_busy_patient() -> bool:
        return f"With Dr. {first}" in await row(second_page, second_appointment).inner_text()

    await wait_until_async(shows_busy_patient, "the row shows what happened while the tab was frozen")
