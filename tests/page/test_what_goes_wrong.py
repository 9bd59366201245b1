"""What the page does when something does not work: it says so, shows nothing that is not true, and gives nothing away."""

from datetime import timedelta

from playwright.async_api import Route, expect
from sqlalchemy import update

from patient_visit_engine.storage.tables import appointments
from tests.support.page_site import PASSWORD, StaffPages, is_live, notices, press, row


async def away(route: Route) -> None:
    await route.fulfill(
        status=503, headers={"Retry-After": "1"}, json={"code": "unavailable", "title": "", "detail": ""}
    )


async def test_a_sign_out_that_fails_is_said_to_have_failed(shift: StaffPages) -> None:
    here = await shift.screen(shift.doctor())
    await here.route("**/api/session", away)

    await here.get_by_role("button", name="Sign out").click()

    await expect(notices(here)).to_contain_text("you are still signed in")
    assert here.url.endswith("/worklist")


async def test_rows_that_cannot_be_read_anew_look_stale_and_are_read_when_they_can_be(shift: StaffPages) -> None:
    first, second = shift.doctor(), shift.doctor()
    patient, (mine, theirs) = await shift.patient(first, second)
    there = await shift.screen(second)
    await there.route("**/api/appointments*", away)

    assert (await shift.hospital.start(first, patient, mine)).status_code == 201
    await there.locator(".worklist.stale").wait_for()
    await is_live(there)
    await there.unroute("**/api/appointments*")

    await expect(row(there, theirs)).to_contain_text(f"With Dr. {first}")
    await expect(there.locator(".stale")).to_have_count(0)


async def test_another_days_heading_never_stands_over_this_days_rows(shift: StaffPages) -> None:
    doctor = shift.doctor()
    _, (mine,) = await shift.patient(doctor)
    here = await shift.screen(doctor)
    await here.route("**/api/appointments*", lambda _route: None)

    await here.get_by_role("button", name="Day after").click()

    await here.locator(".skeleton").wait_for()
    await expect(row(here, mine)).to_have_count(0)


async def test_tomorrows_appointment_is_neither_started_nor_waited_for_today(shift: StaffPages) -> None:
    doctor, other = shift.doctor(), shift.doctor()
    _, (mine,) = await shift.patient(doctor)
    patient, (busy, holds) = await shift.patient(doctor, other)
    tomorrow = shift.now + timedelta(days=1)
    for appointment in (mine, busy):
        moved = update(appointments).where(appointments.c.id == appointment).values(scheduled_at=tomorrow)
        await shift.hospital.database.write(lambda at, moved=moved: at.execute(moved))
    assert (await shift.hospital.start(other, patient, holds)).status_code == 201

    here = await shift.screen(doctor, f"/worklist?date={tomorrow:%Y-%m-%d}")

    for appointment in (mine, busy):
        await expect(row(here, appointment)).to_contain_text("Confirmed")
        await expect(row(here, appointment).locator("button")).to_have_count(0)


async def test_a_search_does_not_get_into_the_sign_ins_address_and_is_there_afterwards(shift: StaffPages) -> None:
    doctor = shift.doctor()
    patient, _ = await shift.patient(doctor)
    await shift.patient(doctor)
    asked: list[str] = []
    context = await shift.browser(None)
    context.on("request", lambda request: asked.append(request.url))
    here = await context.new_page()

    await here.goto(f"/worklist#q=Doe{patient}")
    await here.get_by_label("Password").wait_for()
    at_sign_in = here.url
    await here.get_by_label("Name", exact=True).fill(f"doctor-{doctor}")
    await here.get_by_label("Password").fill(PASSWORD)
    await here.keyboard.press("Enter")
    await is_live(here)

    assert f"Doe{patient}" not in at_sign_in
    assert here.url.endswith(f"/worklist#q=Doe{patient}")
    await expect(here.locator(".row")).to_have_count(1)
    assert [url for url in asked if f"Doe{patient}" in url and "/api/appointments" not in url] == []


async def test_an_api_that_is_away_at_first_is_waited_for(shift: StaffPages) -> None:
    doctor = shift.doctor()
    _, (mine,) = await shift.patient(doctor)
    context = await shift.browser(doctor)
    await context.route("**/api/session", away)
    here = await context.new_page()

    await here.goto("/worklist")
    await here.get_by_text("The server does not answer").wait_for()
    await context.unroute("**/api/session")

    await expect(press(here, mine, "Start")).to_be_visible()


async def test_what_one_saw_is_not_for_the_next_who_sits_here(shift: StaffPages) -> None:
    first, second, next_one = shift.doctor(), shift.doctor(), shift.doctor()
    patient, (mine, theirs) = await shift.patient(first, second)
    begun = await shift.hospital.start(first, patient, mine)
    there = await shift.screen(second)
    await press(there, theirs, "Wait").click()
    await shift.hospital.complete(first, begun.json()["id"])
    await there.get_by_text("is free for you").wait_for()

    await there.get_by_role("button", name="Sign out").click()
    await there.get_by_label("Name", exact=True).fill(f"doctor-{next_one}")
    await there.get_by_label("Password").fill(PASSWORD)
    await there.keyboard.press("Enter")
    await is_live(there)

    await expect(there.get_by_text(f"John Doe{patient}")).to_have_count(0)


async def test_a_doctors_notices_do_not_show_on_the_wall(shift: StaffPages) -> None:
    first, second = shift.doctor(), shift.doctor()
    patient, (mine, theirs) = await shift.patient(first, second)
    wall = await shift.screen(second, "/wall")

    assert (await shift.hospital.start(first, patient, mine)).status_code == 201
    assert (await shift.hospital.start(second, patient, theirs)).status_code == 409
    await wall.locator(f"[data-patient='{patient}']").wait_for()

    assert f"Doe{patient}" not in await wall.locator("body").inner_text()


async def test_focus_is_kept_when_what_had_it_leaves_the_board(shift: StaffPages) -> None:
    patient, _ = await shift.patient(shift.doctor())
    board = await shift.screen("reception", "/board")
    await board.get_by_placeholder("Find a patient").fill(f"Doe{patient}")
    button = board.get_by_role("button", name=f"Check in John Doe{patient}")
    await button.focus()

    await board.keyboard.press("Enter")
    await expect(button).to_have_count(0)

    await expect(board.locator("body")).not_to_be_focused()
    assert await board.evaluate("document.activeElement.closest('main') !== null")


async def test_the_skip_link_keeps_the_search(shift: StaffPages) -> None:
    doctor = shift.doctor()
    patient, _ = await shift.patient(doctor)
    here = await shift.screen(doctor, f"/worklist#q=Doe{patient}")

    await here.get_by_role("link", name="To the content").focus()
    await here.keyboard.press("Enter")

    assert here.url.endswith(f"#q=Doe{patient}")
    await expect(here.locator("main")).to_be_focused()
