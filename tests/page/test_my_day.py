"""A doctor's day under a filter: what runs stays on the screen, and Call calls whom it shows."""

import re

from playwright.async_api import Route, expect

from tests.support.engine import X_RAY
from tests.support.page_site import StaffPages, isolated_name, load_page, notices, open_menu, row, row_button


async def test_filter_hides_neither_consultation_nor_next_call(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    patients = [await staff.new_patient(doctor) for _ in range(3)]
    (running, (in_progress,)), (first, (first_appointment,)), (second, (second_appointment,)) = patients
    assert (await staff.engine.start(doctor, running, in_progress)).status_code == 201

    page = await staff.open_page(doctor, f"/worklist#q=Doe{second}")

    now = page.locator("[data-group='now']")
    await expect(now.locator(f"[data-appointment='{in_progress}']")).to_contain_text("In consultation with you")
    following = page.locator("[data-group='next']")
    await expect(following).to_contain_text(f"{isolated_name(first)} comes first in your whole list")
    await expect(row(page, second_appointment)).to_be_visible()
    await expect(row_button(page, second_appointment, "Call")).to_have_count(0)

    await page.get_by_role("searchbox", name="Patient, ticket, doctor").fill("")
    await row_button(page, first_appointment, "Call").click()

    await expect(notices(page).filter(has_text=f"Called: {isolated_name(first)}")).to_be_visible()
    await expect(following).not_to_contain_text("comes first")


async def test_call_waits_while_the_shown_row_is_not_the_next(staff: StaffPages) -> None:
    doctor, desk = staff.new_doctor(), staff.engine.staff("reception")
    (first, (first_appointment,)), (_, (second_appointment,)) = [await staff.new_patient(doctor) for _ in range(2)]
    page = await staff.open_page(doctor)
    call = row(page, first_appointment).get_by_role("button", name=f"Call John Doe{first}")
    await call.hover()

    async with desk:
        await desk.patch(f"/api/appointments/{second_appointment}/priority", json={"priority": 1})

    # The row keeps its place under the pointer. The API would call the other patient.
    await expect(page.get_by_role("button", name="The list has changed: show the new order")).to_be_visible()
    await expect(call).to_have_attribute("aria-disabled", "true")
    await call.click(force=True)
    await page.mouse.move(0, 0)
    await expect(row(page, second_appointment).get_by_role("button", name="Call John")).to_be_enabled()
    called = await staff.page_site.query("SELECT called_appointment_id FROM doctors WHERE id = :id", id=doctor)
    assert [row["called_appointment_id"] for row in called] == [None]


async def test_call_that_reserves_nothing_is_next_and_passed_over_elsewhere(staff: StaffPages) -> None:
    doctor, other_doctor = staff.new_doctor(), staff.new_doctor()
    patient, (x_ray, other_x_ray) = await staff.new_patient(doctor, other_doctor, prestation=X_RAY)
    second, (second_appointment,) = await staff.new_patient(other_doctor, prestation=X_RAY)
    page, other_page = await staff.open_page(doctor), await staff.open_page(other_doctor)

    await row_button(page, x_ray, "Call").click()

    await expect(page.locator("[data-group='next']")).to_contain_text("Called by you")
    await expect(row_button(page, x_ray, "Call")).to_have_count(0)
    await expect(page).to_have_title(re.compile(r"^\(1\) "))
    await expect(row(other_page, other_x_ray)).to_contain_text(f"Called by Dr. {doctor}")
    following = other_page.locator("[data-group='next']")
    await expect(following).to_contain_text(f"{isolated_name(patient)} is called by \u2068Dr. {doctor}\u2069")
    await row_button(other_page, second_appointment, "Call").click()
    await expect(notices(other_page).filter(has_text=f"Called: {isolated_name(second)}")).to_be_visible()


async def test_running_row_says_how_long_and_until_when(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    patient, (appointment,) = await staff.new_patient(doctor)
    assert (await staff.engine.start(doctor, patient, appointment)).status_code == 201
    await staff.backdate_tracking(appointment, started_at=12, overdue_at=-8)
    page = await staff.open_page(doctor)

    await expect(row(page, appointment)).to_contain_text(re.compile(r"1[23]:\d\d of 20\smin"))
    new_due = (await row(page, appointment).locator(".new-due").inner_text()).removeprefix("\u2192 ")
    assert re.fullmatch(r"\d\d:\d\d", new_due)
    await expect(row(page, appointment)).not_to_contain_text(f"due {new_due}")
    await row_button(page, appointment, "+15 min").click()

    await expect(row(page, appointment)).to_contain_text(f"due {new_due}")
    await expect(row(page, appointment)).to_contain_text("of 20 min")
    await open_menu(page, appointment)
    await expect(page.get_by_role("menuitem", name="Priority")).to_be_visible()


async def test_running_row_counts_no_pause(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    patient, (appointment,) = await staff.new_patient(doctor)
    started = await staff.engine.start(doctor, patient, appointment)
    page = await staff.open_page(doctor)
    await row_button(page, appointment, "Pause").click()
    await expect(row(page, appointment)).to_contain_text("Paused by you")
    # 12 minutes with the patient, and a pause of 120.
    await staff.backdate_tracking(appointment, started_at=132, paused_at=120, overdue_at=112)

    async with staff.engine.staff("doctor", doctor) as client:
        resumed = await client.post(f"/api/consultations/{started.json()['id']}/resume")
        assert resumed.status_code == 200

    await expect(row(page, appointment)).to_contain_text(re.compile(r"1[23]:\d\d of 20\smin"))
    # 12 and 30 minutes with the patient: over the expected time with its extension, and past twice the expected time.
    await staff.backdate_tracking(appointment, started_at=162, overdue_at=2)
    await page.reload()
    await expect(row(page, appointment)).to_contain_text(re.compile(r"4[23]:\d\d of 20\smin"))
    await expect(row(page, appointment).locator(".state.late")).to_be_visible()


async def test_red_only_past_twice_the_expected_time(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    patient, (appointment,) = await staff.new_patient(doctor)
    assert (await staff.engine.start(doctor, patient, appointment)).status_code == 201
    # The search finds names that the API has written.
    async with staff.engine.staff("service") as feed:
        names = {"first_name": "Georg", "last_name": f"Ohm{patient}"}
        assert (await feed.put(f"/api/patients/{patient}", json=names)).status_code == 200
    browser = await staff.open_browser("supervisor")

    async def red_places() -> list[str]:
        """The views in which the consultation is red. It is overdue in each."""
        red = []
        for path, place in ("/board", ".card"), ("/wall", ".ward"), ("/desk", ".result-row"):
            page = await load_page(browser, path)
            if path == "/wall":
                # A lower wall may show the patient on a later page.
                await page.set_viewport_size({"width": 1920, "height": 8000})
            if path == "/desk":
                await page.keyboard.type(f"Ohm{patient}")
            state = page.locator(f"[data-patient='{patient}']")
            state = state if path == "/wall" else state.locator(".state").first
            await expect(state).to_contain_text(re.compile("overdue"))
            color = await state.evaluate("state => getComputedStyle(state).color")
            bad = await page.evaluate(
                "() => { document.body.style.color = 'var(--bad)'; return getComputedStyle(document.body).color; }"
            )
            red += [place] if color == bad else []
            await page.close()
        return red

    await staff.backdate_tracking(appointment, started_at=35, overdue_at=15)
    assert await red_places() == []
    await staff.backdate_tracking(appointment, started_at=45, overdue_at=25)
    assert await red_places() == [".card", ".ward", ".result-row"]


async def test_supervisor_sees_red_when_another_doctor_waits(staff: StaffPages) -> None:
    doctor, other_doctor = staff.new_doctor(), staff.new_doctor()
    patient, (appointment, other_appointment) = await staff.new_patient(doctor, other_doctor)
    assert (await staff.engine.start(doctor, patient, appointment)).status_code == 201
    await staff.backdate_tracking(appointment, started_at=25, overdue_at=5)
    page = await staff.open_page("supervisor", f"/worklist#q=Doe{patient}")
    state = row(page, appointment).locator(".state")
    await expect(state).to_contain_text("overdue by 5 min")
    await expect(state).not_to_have_class(re.compile(r"\blate\b"))

    await staff.engine.start(other_doctor, patient, other_appointment, wait=True)

    await expect(state).to_contain_text(f"Dr. {other_doctor} waits for this patient")
    await expect(state).to_have_class(re.compile(r"\blate\b"))


async def test_refused_second_start_is_not_offered(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    (running, (in_progress,)), (_, (waiting,)) = [await staff.new_patient(doctor) for _ in range(2)]
    assert (await staff.engine.start(doctor, running, in_progress)).status_code == 201
    browser = await staff.open_browser(doctor)

    async def refuse(route: Route) -> None:
        answer = await route.fetch()
        await route.fulfill(response=answer, json=await answer.json() | {"doctor_busy": "refuse"})

    await browser.route("**/api/session", refuse)
    page = await load_page(browser, "/")
    await row_button(page, waiting, "Start").click()

    question = page.get_by_role("alertdialog")
    await expect(question.get_by_role("button", name="Complete it and start")).to_be_visible()
    await expect(question.get_by_role("button", name="Start next to it")).to_have_count(0)
