"""The scenarios of the system before this one, as two doctors see them side by side."""

import asyncio
import re

from playwright.async_api import expect

from tests.support.engine import CARDIOLOGY, X_RAY
from tests.support.page_site import StaffPages, is_live, notices, press, row


async def test_a_started_consultation_appears_on_the_other_screen_without_a_reload(shift: StaffPages) -> None:
    first, second = shift.doctor(), shift.doctor()
    _, (mine, theirs) = await shift.patient(first, second)
    here, there = await shift.screen(first), await shift.screen(second)

    await press(here, mine, "Start").click()

    await expect(row(here, mine)).to_contain_text("In consultation with you")
    await expect(row(there, theirs)).to_contain_text(f"With Dr. {first} for Cardiology since 0 min")
    await expect(press(there, theirs, "Wait")).to_be_visible()
    await expect(press(there, theirs, "Start")).to_have_count(0)


async def test_a_refused_start_warns_with_doctor_and_prestation_and_leaves_the_row_as_it_was(shift: StaffPages) -> None:
    first, second = shift.doctor(), shift.doctor()
    patient, (mine, theirs) = await shift.patient(first, second)
    there = await shift.screen(second, base=(proxy := await shift.proxy()).url)
    # A lost network on this screen alone: its row says free, and is not.
    proxy.mode = "502"
    proxy.cut()
    here = await shift.screen(first)
    await press(here, mine, "Start").click()
    await expect(row(here, mine)).to_contain_text("In consultation with you")
    await expect(row(there, theirs)).to_contain_text("Free")
    proxy.mode = "open"

    await press(there, theirs, "Start").click()

    notice = notices(there).filter(has_text=f"John Doe{patient} is in another consultation")
    await expect(notice).to_contain_text(f"With Dr. {first} for Cardiology")
    await expect(notice).to_have_attribute("data-type", "warning")
    await expect(row(there, theirs)).to_contain_text(f"With Dr. {first}")
    await is_live(there)
    await expect(notices(there)).to_have_count(1)
    await expect(notices(there)).to_have_count(0)
    [kept] = await shift.ward.rows("SELECT status FROM appointments WHERE id = :id", id=theirs)
    assert kept["status"] == 1


async def test_both_press_start_in_the_same_moment_and_one_is_refused(shift: StaffPages) -> None:
    first, second = shift.doctor(), shift.doctor()
    patient, appointments = await shift.patient(first, second)
    screens = [await shift.screen(first), await shift.screen(second)]

    buttons = [press(screen, of, "Start") for screen, of in zip(screens, appointments, strict=True)]
    await asyncio.gather(*(button.evaluate("button => button.click()") for button in buttons))

    rows = [row(screen, of) for screen, of in zip(screens, appointments, strict=True)]
    for one in rows:
        await expect(one.get_by_text(re.compile("In consultation with you|With Dr."))).to_be_visible()
    assert sum([await one.get_by_text("In consultation with you").count() for one in rows]) == 1
    running = await shift.ward.rows(
        "SELECT id FROM patient_trackings WHERE patient_id = :p AND status = 'in_progress'", p=patient
    )
    assert len(running) == 1


async def test_a_completed_consultation_frees_the_row_of_the_other_who_may_then_start(shift: StaffPages) -> None:
    first, second = shift.doctor(), shift.doctor()
    _, (mine, theirs) = await shift.patient(first, second)
    here, there = await shift.screen(first), await shift.screen(second)
    await press(here, mine, "Start").click()
    await expect(press(there, theirs, "Wait")).to_be_visible()

    await press(here, mine, "Complete").click()

    await expect(row(there, theirs)).to_contain_text("Free")
    await press(there, theirs, "Start").click()
    await expect(row(there, theirs)).to_contain_text("In consultation with you")
    await expect(row(here, mine)).to_contain_text("Done")


async def test_an_x_ray_runs_beside_a_consultation(shift: StaffPages) -> None:
    cardiologist, radiologist = shift.doctor(), shift.doctor()
    patient, (heart,) = await shift.patient(cardiologist, prestation=CARDIOLOGY)
    picture = next(shift.ward.appointments)
    await shift.hospital.admit(patient, {picture: radiologist}, X_RAY)
    here, there = await shift.screen(cardiologist), await shift.screen(radiologist)

    await press(here, heart, "Start").click()
    await expect(row(there, picture)).to_contain_text(f"With Dr. {cardiologist}")
    await press(there, picture, "Start").click()

    await expect(row(there, picture)).to_contain_text("In consultation with you")
    await expect(row(here, heart)).to_contain_text("In consultation with you")


async def test_who_waits_is_offered_the_patient_and_starts_with_one_click(shift: StaffPages) -> None:
    first, second, third = shift.doctor(), shift.doctor(), shift.doctor()
    patient, (mine, theirs, late) = await shift.patient(first, second, third)
    here, there, beside = [await shift.screen(doctor) for doctor in (first, second, third)]
    await press(here, mine, "Start").click()
    await press(there, theirs, "Wait").click()
    await expect(row(there, theirs)).to_contain_text("you are 1st in line")
    await press(beside, late, "Wait").click()
    await expect(row(beside, late)).to_contain_text("you are 2nd in line")

    await press(here, mine, "Complete").click()

    offer = there.get_by_role("complementary", name="Patients free for you")
    await expect(offer).to_contain_text(f"John Doe{patient} is free for you")
    await expect(offer.locator(".ticking")).to_contain_text("0:")
    await expect(row(there, theirs)).to_contain_text("Reserved for you")
    await expect(row(beside, late)).to_contain_text(f"Reserved for Dr. {second}")
    await offer.get_by_role("button", name="Start").click()
    await expect(row(there, theirs)).to_contain_text("In consultation with you")
    await expect(offer).to_be_empty()
    await expect(row(beside, late)).to_contain_text("you are 1st in line")


async def test_who_leaves_the_line_is_out_of_it(shift: StaffPages) -> None:
    first, second = shift.doctor(), shift.doctor()
    _, (mine, theirs) = await shift.patient(first, second)
    here, there = await shift.screen(first), await shift.screen(second)
    await press(here, mine, "Start").click()
    await press(there, theirs, "Wait").click()

    await press(there, theirs, "Leave line").click()

    await expect(press(there, theirs, "Wait")).to_be_visible()
    await press(here, mine, "Complete").click()
    await expect(row(there, theirs)).to_contain_text("Free")


async def test_a_released_consultation_is_told_to_its_doctor_and_can_be_resumed(shift: StaffPages) -> None:
    doctor = shift.doctor()
    patient, (mine,) = await shift.patient(doctor)
    here, board = await shift.screen(doctor), await shift.screen("supervisor", "/board")
    await press(here, mine, "Start").click()

    await board.get_by_role("button", name=f"Release John Doe{patient}").click()
    dialog = board.get_by_role("dialog")
    await dialog.get_by_label("Reason").fill("forgotten at lunch")
    await dialog.get_by_role("button", name="Release").click()

    await expect(dialog).to_have_count(0)
    await expect(notices(here)).to_contain_text(f"Your consultation with John Doe{patient} was ended")
    await expect(row(here, mine)).to_contain_text("Released by a supervisor")
    await press(here, mine, "Resume").click()
    await expect(row(here, mine)).to_contain_text("In consultation with you")


async def test_an_overdue_consultation_is_said_to_be_and_is_extended(shift: StaffPages) -> None:
    doctor = shift.doctor()
    _, (mine,) = await shift.patient(doctor)
    here = await shift.screen(doctor)
    await press(here, mine, "Start").click()
    await expect(row(here, mine)).to_contain_text("In consultation with you")

    await shift.long_ago(mine, started_at=25, overdue_at=5)
    await here.reload()
    await expect(row(here, mine)).to_contain_text("Overdue by 5 min")
    await expect(row(here, mine).locator(".ticking")).to_contain_text("25:")
    await expect(press(here, mine, "+15 min")).to_have_class("button primary")
    await press(here, mine, "+15 min").click()

    await expect(row(here, mine)).to_contain_text("In consultation with you")
    await expect(press(here, mine, "Complete")).to_have_class("button primary")
