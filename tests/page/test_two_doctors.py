"""The main scenarios with the worklists of two doctors open at the same time."""

import asyncio
import re

from playwright.async_api import expect

from tests.support.engine import CARDIOLOGY, X_RAY
from tests.support.page_site import (
    StaffPages,
    complete,
    isolated_name,
    notices,
    row,
    row_button,
    wait_until_live,
    warnings,
    was_dead_at_first,
    watch_new_buttons,
)


async def test_other_doctor_sees_start_without_reload(staff: StaffPages) -> None:
    first, second = staff.new_doctor(), staff.new_doctor()
    _, (first_appointment, second_appointment) = await staff.new_patient(first, second)
    first_page, second_page = await staff.open_page(first), await staff.open_page(second)

    await row_button(first_page, first_appointment, "Start").click()

    await expect(row(first_page, first_appointment)).to_contain_text("In consultation with you")
    second_row = row(second_page, second_appointment)
    await expect(second_row).to_contain_text(f"With Dr. {first} for 0 min · Cardiology")
    await expect(row_button(second_page, second_appointment, "Wait")).to_be_visible()
    await expect(row_button(second_page, second_appointment, "Start")).to_have_count(0)


async def test_refused_start_shows_one_warning(staff: StaffPages) -> None:
    first, second = staff.new_doctor(), staff.new_doctor()
    patient, (first_appointment, second_appointment) = await staff.new_patient(first, second)
    proxy = await staff.start_proxy()
    second_page = await staff.open_page(second, base=proxy.url)
    # Only this page loses its network, so its row still shows a free patient.
    proxy.mode = "502"
    proxy.cut()
    first_page = await staff.open_page(first)
    await row_button(first_page, first_appointment, "Start").click()
    await expect(row(first_page, first_appointment)).to_contain_text("In consultation with you")
    await expect(row(second_page, second_appointment)).to_contain_text("Free")
    proxy.mode = "open"

    await row_button(second_page, second_appointment, "Start").click()

    notice = notices(second_page).filter(has_text=f"{isolated_name(patient)} is in another consultation")
    await expect(notice).to_contain_text(f"With Dr. {first} for Cardiology")
    await expect(notice).to_have_attribute("data-type", "warning")
    # A notice stays while the mouse is on it, so it is still there when the event of the same refusal comes.
    await notice.hover()
    await expect(row(second_page, second_appointment)).to_contain_text(f"With Dr. {first}")
    await wait_until_live(second_page)
    await expect(notices(second_page)).to_have_count(1)
    await second_page.mouse.move(0, 0)
    await expect(notices(second_page)).to_have_count(0)
    [appointment] = await staff.page_site.query("SELECT status FROM appointments WHERE id = :id", id=second_appointment)
    assert appointment["status"] == 3


async def test_doctor_with_two_patients_gets_one_warning(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    first_patient, (first_appointment,) = await staff.new_patient(doctor)
    _, (second_appointment,) = await staff.new_patient(doctor)
    page = await staff.open_page(doctor)
    await row_button(page, first_appointment, "Start").click()
    await expect(row(page, first_appointment)).to_contain_text("In consultation with you")
    await row_button(page, second_appointment, "Start").click()
    question = page.get_by_role(
        "alertdialog", name=f"You are still in consultation with {isolated_name(first_patient)}"
    )
    await question.get_by_role("button", name="Start next to it").click()

    await expect(row(page, second_appointment)).to_contain_text("In consultation with you")
    warning = f"You are still in consultation with {isolated_name(first_patient)}"
    await expect(warnings(page)).to_have_text([re.compile(warning)])


async def test_simultaneous_starts_grant_only_one(staff: StaffPages) -> None:
    first, second = staff.new_doctor(), staff.new_doctor()
    patient, appointments = await staff.new_patient(first, second)
    pages = [await staff.open_page(first), await staff.open_page(second)]

    buttons = [row_button(page, appointment, "Start") for page, appointment in zip(pages, appointments, strict=True)]
    await asyncio.gather(*(button.evaluate("button => button.click()") for button in buttons))

    rows = [row(page, appointment) for page, appointment in zip(pages, appointments, strict=True)]
    for locator in rows:
        await expect(locator.get_by_text(re.compile("In consultation with you|With Dr."))).to_be_visible()
    assert sum([await locator.get_by_text("In consultation with you").count() for locator in rows]) == 1
    running = await staff.page_site.query(
        "SELECT id FROM patient_trackings WHERE patient_id = :p AND status = 'in_progress'", p=patient
    )
    assert len(running) == 1


async def test_completion_frees_the_other_doctors_row(staff: StaffPages) -> None:
    first, second = staff.new_doctor(), staff.new_doctor()
    _, (first_appointment, second_appointment) = await staff.new_patient(first, second)
    first_page, second_page = await staff.open_page(first), await staff.open_page(second)
    await row_button(first_page, first_appointment, "Start").click()
    await expect(row_button(second_page, second_appointment, "Wait")).to_be_visible()

    await complete(first_page, first_appointment)

    await expect(row(second_page, second_appointment)).to_contain_text("Free")
    await row_button(second_page, second_appointment, "Start").click()
    await expect(row(second_page, second_appointment)).to_contain_text("In consultation with you")
    await expect(row(first_page, first_appointment)).to_contain_text("Done")


async def test_x_ray_runs_during_a_consultation(staff: StaffPages) -> None:
    cardiologist, radiologist = staff.new_doctor(), staff.new_doctor()
    patient, (consultation,) = await staff.new_patient(cardiologist, prestation=CARDIOLOGY)
    x_ray = next(staff.page_site.appointment_ids)
    await staff.engine.admit(patient, {x_ray: radiologist}, X_RAY)
    cardiology_page, x_ray_page = await staff.open_page(cardiologist), await staff.open_page(radiologist)

    await row_button(cardiology_page, consultation, "Start").click()
    await expect(row(x_ray_page, x_ray)).to_contain_text(f"With Dr. {cardiologist}")
    await row_button(x_ray_page, x_ray, "Start").click()

    await expect(row(x_ray_page, x_ray)).to_contain_text("In consultation with you")
    await expect(row(cardiology_page, consultation)).to_contain_text("In consultation with you")


async def test_waiting_doctor_starts_from_the_offer(staff: StaffPages) -> None:
    first, second, third = staff.new_doctor(), staff.new_doctor(), staff.new_doctor()
    patient, (first_appointment, second_appointment, third_appointment) = await staff.new_patient(first, second, third)
    first_page, second_page, third_page = [await staff.open_page(doctor) for doctor in (first, second, third)]
    await row_button(first_page, first_appointment, "Start").click()
    await row_button(second_page, second_appointment, "Wait").click()
    await expect(row(second_page, second_appointment)).to_contain_text("you are 1st in line")
    await row_button(third_page, third_appointment, "Wait").click()
    await expect(row(third_page, third_appointment)).to_contain_text("you are 2nd in line")

    await watch_new_buttons(second_page, ".offer .button")

    await complete(first_page, first_appointment)

    offer = second_page.get_by_role("complementary", name="Patients free for you")
    await expect(offer).to_contain_text(f"{isolated_name(patient)} is free for you")
    await expect(offer.locator(".ticking")).to_contain_text("0:")
    assert await was_dead_at_first(second_page)
    await expect(row(second_page, second_appointment)).to_contain_text("Reserved for you")
    await expect(row(third_page, third_appointment)).to_contain_text(f"Reserved for Dr. {second}")
    await offer.get_by_role("button", name="Start").click()
    await expect(row(second_page, second_appointment)).to_contain_text("In consultation with you")
    await expect(offer).to_be_empty()
    await expect(row(third_page, third_appointment)).to_contain_text("you are 1st in line")


async def test_leaving_the_line_gives_up_the_place(staff: StaffPages) -> None:
    first, second = staff.new_doctor(), staff.new_doctor()
    _, (first_appointment, second_appointment) = await staff.new_patient(first, second)
    first_page, second_page = await staff.open_page(first), await staff.open_page(second)
    await row_button(first_page, first_appointment, "Start").click()
    await row_button(second_page, second_appointment, "Wait").click()

    await row_button(second_page, second_appointment, "Leave line").click()

    await expect(row_button(second_page, second_appointment, "Wait")).to_be_visible()
    await complete(first_page, first_appointment)
    await expect(row(second_page, second_appointment)).to_contain_text("Free")


async def test_released_consultation_can_be_resumed(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    patient, (appointment,) = await staff.new_patient(doctor)
    page, board = await staff.open_page(doctor), await staff.open_page("supervisor", "/board")
    await row_button(page, appointment, "Start").click()

    await board.get_by_role("button", name=f"End for the doctor: John Doe{patient}").click()
    dialog = board.get_by_role("dialog")
    await dialog.get_by_label("Reason").fill("forgotten at lunch")
    await dialog.get_by_role("button", name="End for the doctor").click()

    await expect(dialog).to_have_count(0)
    await expect(warnings(page)).to_contain_text(f"Your consultation with {isolated_name(patient)} was ended")
    await expect(row(page, appointment)).to_contain_text("forgotten at lunch")
    await row_button(page, appointment, "Start").click()
    await expect(row(page, appointment)).to_contain_text("In consultation with you")


async def test_overdue_consultation_can_be_extended(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    _, (appointment,) = await staff.new_patient(doctor)
    page = await staff.open_page(doctor)
    await row_button(page, appointment, "Start").click()
    await expect(row(page, appointment)).to_contain_text("In consultation with you")

    await staff.backdate_tracking(appointment, started_at=25, overdue_at=5)
    await page.reload()
    await expect(row(page, appointment)).to_contain_text("Overdue by 5 min")
    await expect(row(page, appointment).locator(".ticking")).to_contain_text("25:")
    await row_button(page, appointment, "+15 min").click()

    await expect(row(page, appointment)).to_contain_text("In consultation with you")
    await expect(row_button(page, appointment, "Complete")).to_have_class(re.compile("primary"))
