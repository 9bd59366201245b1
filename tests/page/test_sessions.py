"""Signing in and out: what the page keeps for the same user, and clears for the next one."""

from datetime import UTC, datetime, timedelta

import httpx
from playwright.async_api import expect
from sqlalchemy import update

from patient_visit_engine.storage.tables import sessions
from tests.support.page_site import (
    PASSWORD,
    StaffPages,
    choose_in_account,
    notices,
    reply_unavailable,
    row,
    row_button,
    sign_in,
    wait_until_live,
)


async def test_sign_in_after_expiry_returns_to_the_page(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    await staff.new_patient(doctor, arrived=False)
    page = await staff.open_page(doctor, "/worklist?status=confirmed#q=doe")
    address = page.url

    expired = update(sessions).values(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    await staff.engine.database.write(lambda connection: connection.execute(expired))

    await page.get_by_text("Your session is over").wait_for()
    await sign_in(page, doctor)
    assert page.url == address
    await expect(page.locator(".row")).to_have_count(1)


async def test_sign_out_ends_session_and_clears_page(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    patient, _ = await staff.new_patient(doctor)
    page = await staff.open_page(doctor)
    await expect(page.get_by_text(f"John Doe{patient}")).to_be_visible()

    await choose_in_account(page, "Sign out")
    await page.get_by_label("Password").wait_for()

    assert f"doe{patient}" not in (await page.content()).casefold()
    async with httpx.AsyncClient(base_url=staff.engine.url) as client:
        assert (await client.get("/api/session")).status_code == 401
    await page.goto("/worklist")
    await expect(page.get_by_label("Password")).to_be_visible()


async def test_failed_sign_out_shows_a_notice(staff: StaffPages) -> None:
    page = await staff.open_page(staff.new_doctor())
    await page.route("**/api/session", reply_unavailable)

    await choose_in_account(page, "Sign out")

    await expect(notices(page)).to_contain_text("you are still signed in")
    assert page.url.endswith("/worklist")


async def test_waits_for_an_api_that_is_away_at_first(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    _, (appointment,) = await staff.new_patient(doctor)
    browser = await staff.open_browser(doctor)
    await browser.route("**/api/session", reply_unavailable)
    page = await browser.new_page()

    await page.goto("/worklist")
    await page.get_by_text("The server does not answer").wait_for()
    await browser.unroute("**/api/session")

    await expect(row_button(page, appointment, "Start")).to_be_visible()


async def test_tab_shows_the_list_of_a_new_session(staff: StaffPages) -> None:
    first, second = staff.new_doctor(), staff.new_doctor()
    first_patient, _ = await staff.new_patient(first, arrived=False)
    second_patient, _ = await staff.new_patient(second, arrived=False)
    page = await staff.open_page(first, "/worklist?status=confirmed")
    await expect(page.get_by_text(f"John Doe{first_patient}")).to_be_visible()

    await page.context.request.post("/api/session", data={"username": f"doctor-{second}", "password": PASSWORD})
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))")

    await expect(page.get_by_text(f"John Doe{second_patient}")).to_be_visible()
    await expect(page.get_by_text(f"John Doe{first_patient}")).to_have_count(0)
    await expect(page.locator("header .who")).to_contain_text(f"Dr. {second}")
    await wait_until_live(page)


async def test_search_stays_out_of_the_sign_in_address(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    patient, _ = await staff.new_patient(doctor)
    await staff.new_patient(doctor)
    urls: list[str] = []
    browser = await staff.open_browser(None)
    browser.on("request", lambda request: urls.append(request.url))
    page = await browser.new_page()

    await page.goto(f"/worklist#q=Doe{patient}")
    await page.get_by_label("Password").wait_for()
    sign_in_url = page.url
    await sign_in(page, doctor)

    assert f"Doe{patient}" not in sign_in_url
    assert page.url.endswith(f"/worklist#q=Doe{patient}")
    await expect(page.locator(".row")).to_have_count(1)
    assert [url for url in urls if f"Doe{patient}" in url and "/api/appointments" not in url] == []


async def test_next_user_does_not_see_an_old_offer(staff: StaffPages) -> None:
    first, second, next_user = staff.new_doctor(), staff.new_doctor(), staff.new_doctor()
    patient, (first_appointment, second_appointment) = await staff.new_patient(first, second)
    started = await staff.engine.start(first, patient, first_appointment)
    page = await staff.open_page(second)
    await row_button(page, second_appointment, "Wait").click()
    await expect(row(page, second_appointment)).to_contain_text("you are 1st in line")
    await staff.engine.complete(first, started.json()["id"])
    await page.get_by_text("is free for you").wait_for()

    await choose_in_account(page, "Sign out")
    await sign_in(page, next_user)

    await expect(page.get_by_text(f"John Doe{patient}")).to_have_count(0)
