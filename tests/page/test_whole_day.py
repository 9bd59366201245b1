"""A day of a small clinic, pressed by eight people in eight browsers: four doctors, two desks, a supervisor, a waiting room."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from playwright.async_api import Browser, Page, expect

from patient_visit_engine.storage.upkeep.audit import audit
from tests.page.test_board import lane
from tests.page.test_menus import choose
from tests.page.test_offers import bar
from tests.page.test_walls import tile
from tests.support.desk_page import expect_patient, search_field, wait_until_seen
from tests.support.engine import Engine
from tests.support.page_site import (
    PageSite,
    StaffPages,
    card,
    complete,
    load_page,
    notices,
    row,
    row_button,
    warnings,
)

pytestmark = pytest.mark.long

WITH_ME, HERE = "In consultation with you", "Here for"


@pytest.fixture
async def empty_house(tmp_path_factory: pytest.TempPathFactory, chromium: Browser) -> AsyncIterator[StaffPages]:
    """A system in which no other test has left a patient."""
    page_site = PageSite(Engine(tmp_path_factory.mktemp("whole-day"), decision_timeout="30"), chromium)
    staff = StaffPages(page_site)
    try:
        await page_site.open()
        yield staff
    finally:
        await staff.close()
        await page_site.engine.close()
    assert staff.browser_errors == []


@dataclass
class Clinic:
    """The people of the day, each with a browser."""

    staff: StaffPages
    doctors: tuple[int, int, int, int]
    pages: tuple[Page, Page, Page, Page]
    desk: Page
    other_desk: Page
    supervisor: Page
    wall: Page

    async def arrive(self, desk: Page, typed: str) -> str:
        """A desk types a name or scans a number, and presses Enter. Returns the ticket."""
        await search_field(desk).fill(typed)
        await wait_until_seen(desk)
        await desk.keyboard.press("Enter")
        ticket = desk.locator(".arrival .ticket-number")
        await expect(search_field(desk)).to_have_value("")
        await expect(ticket).to_have_text(re.compile(r"[A-Z]+\d\d"))
        return (await ticket.inner_text()).split()[-1]

    async def appointments(self, patient: int) -> list[int]:
        """The patient's appointments, in the order of their ids."""
        rows = await self.staff.page_site.query(
            "SELECT id FROM appointments WHERE patient_id = :id ORDER BY id", id=patient
        )
        return [row["id"] for row in rows]


async def open_clinic(staff: StaffPages) -> Clinic:
    first, second, third, fourth = (staff.new_doctor() for _ in range(4))
    wall = await staff.open_browser("wall", viewport={"width": 1280, "height": 2000})
    return Clinic(
        staff,
        (first, second, third, fourth),
        (
            await staff.open_page(first),
            await staff.open_page(second),
            await staff.open_page(third),
            await staff.open_page(fourth),
        ),
        desk=await staff.open_page("reception", "/desk"),
        other_desk=await staff.open_page("reception", "/desk"),
        supervisor=await staff.open_page("supervisor", "/board"),
        wall=await load_page(wall, "/waiting-room"),
    )


async def call_and_pass_on(clinic: Clinic) -> None:
    """A patient of two doctors: called to a room, seen by the first while the second waits in line, then by the second."""
    (first, second, _, _), (page, next_page, _, _) = clinic.doctors, clinic.pages
    head = clinic.supervisor.locator(lane(clinic.supervisor, f"Dr. {first}")).locator(".lane-head")
    patient = await expect_patient(clinic.staff, "Abel", "AB-1", first, second)
    here, there = await clinic.appointments(patient)
    ticket = await clinic.arrive(clinic.desk, "abel")
    await choose(clinic.supervisor, head, "Room of today")
    dialog = clinic.supervisor.get_by_role("dialog")
    await dialog.get_by_label("Room").fill("12")
    await dialog.get_by_role("button", name="Save").click()

    await row_button(page, here, "Call").click()
    await expect(tile(clinic.wall, ticket)).to_contain_text("Room 12")
    await expect(row(next_page, there)).to_contain_text(f"Reserved for Dr. {first}")
    await row_button(page, here, "Start").click()
    await expect(row(page, here)).to_contain_text(WITH_ME)
    await expect(tile(clinic.wall, ticket)).to_have_count(0)
    await row_button(next_page, there, "Wait").click()
    await expect(row(page, here)).to_contain_text(f"Dr. {second} waits for this patient")

    await complete(page, here)
    await bar(next_page).get_by_role("button", name="Start").click()
    await expect(row(next_page, there)).to_contain_text(WITH_ME)
    await row_button(next_page, there, "Pause").click()
    await row_button(next_page, there, "Resume").click()
    await complete(next_page, there)
    await expect(card(clinic.supervisor, patient)).to_have_count(0)


async def start_by_mistake_and_transfer(clinic: Clinic) -> None:
    """A walk-in: the start is taken back and repeated, and the consultation goes to another doctor."""
    (_, _, third, fourth), (_, _, page, next_page) = clinic.doctors, clinic.pages
    desk = clinic.other_desk
    await search_field(desk).fill("Bolyai, Janos")
    await desk.get_by_role("button", name="New walk-in").wait_for()
    await wait_until_seen(desk)
    await desk.keyboard.press("Enter")
    dialog = desk.get_by_role("dialog", name="Walk-in")
    await dialog.get_by_label("Service").select_option("Cardiology")
    await dialog.get_by_label("Doctor").select_option(f"Dr. {third}")
    await dialog.get_by_role("button", name="Check in").click()
    await expect(dialog.locator(".ticket-number")).to_have_text(re.compile(r"[A-Z]+\d\d"))
    await desk.keyboard.press("Escape")
    [walk_in] = await clinic.staff.page_site.query("SELECT id FROM appointments WHERE doctor_id = :id", id=third)
    appointment = walk_in["id"]

    await row_button(page, appointment, "Start").click()
    await notices(page).filter(has_text="In consultation: ").get_by_role("button", name="Undo").click()
    await expect(row(page, appointment)).to_contain_text(HERE)
    await row_button(page, appointment, "Start").click()
    await expect(row(page, appointment)).to_contain_text(WITH_ME)
    await choose(page, row(page, appointment), "Transfer to another doctor")
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Doctor").select_option(f"Dr. {fourth}")
    await dialog.get_by_role("button", name="Transfer").click()

    await expect(row(next_page, appointment)).to_contain_text("Reserved for you")
    await row_button(next_page, appointment, "Start").click()
    await complete(next_page, appointment)
    await expect(row(next_page, appointment)).to_contain_text("Done")


async def stay_silent_and_come(clinic: Clinic) -> None:
    """A called patient does not come, is called again, and is seen. The completion is taken back once."""
    page = clinic.pages[0]
    patient = await expect_patient(clinic.staff, "Cantor", "CA-770012", clinic.doctors[0])
    [appointment] = await clinic.appointments(patient)
    await clinic.arrive(clinic.other_desk, "CA-770012")
    await row_button(page, appointment, "Call").click()
    await expect(row(page, appointment)).to_contain_text("Called by you")
    await choose(page, row(page, appointment), "Did not come")
    await row_button(page, appointment, "Call").click()
    await expect(row(page, appointment)).to_contain_text("Called by you")
    await row_button(page, appointment, "Start").click()
    await complete(page, appointment)

    completed = notices(page).filter(has_text=re.compile("Completed: .*cantor", re.IGNORECASE))
    await completed.get_by_role("button", name="Undo").click()
    await expect(row(page, appointment)).to_contain_text(WITH_ME)
    await complete(page, appointment)
    await expect(row(page, appointment)).to_contain_text("Done")


async def release_and_leave(clinic: Clinic) -> None:
    """A forgotten consultation is ended by the supervisor. The patient, who still waits, goes home."""
    page = clinic.pages[3]
    patient = await expect_patient(clinic.staff, "Dirac", "DI-1", clinic.doctors[3])
    [appointment] = await clinic.appointments(patient)
    await clinic.arrive(clinic.desk, "dirac")
    await row_button(page, appointment, "Start").click()
    await clinic.supervisor.get_by_role("button", name=re.compile("^End for the doctor")).click()
    dialog = clinic.supervisor.get_by_role("dialog")
    await dialog.get_by_label("Reason").fill("forgotten at lunch")
    await dialog.get_by_role("button", name="End for the doctor").click()

    await expect(warnings(page)).to_contain_text("forgotten at lunch")
    await expect(card(clinic.supervisor, patient)).to_contain_text("Has waited for")
    await card(clinic.supervisor, patient).get_by_role("button", name="left without").click()
    await clinic.supervisor.get_by_role("alertdialog").get_by_role("button", name="Left").click()
    await expect(row(page, appointment)).to_contain_text("Left at")


async def fall_ill_and_miss(clinic: Clinic) -> None:
    """A doctor falls ill, and a colleague sees the patients who came. One does not come."""
    (_, second, third, _), (_, page, _, _) = clinic.doctors, clinic.pages
    came = await expect_patient(clinic.staff, "Euler", "EU-1", third)
    missing = await expect_patient(clinic.staff, "Fermat", "FE-1", third)
    ([appointment], [missed]) = await clinic.appointments(came), await clinic.appointments(missing)
    await clinic.arrive(clinic.desk, "euler")
    head = clinic.supervisor.locator(lane(clinic.supervisor, f"Dr. {third}")).locator(".lane-head")
    await choose(clinic.supervisor, head, "Give the day to another doctor")
    dialog = clinic.supervisor.get_by_role("dialog")
    await dialog.get_by_label("Doctor").select_option(f"Dr. {second}")
    await dialog.get_by_label("Reason").fill("ill")
    await dialog.get_by_role("button", name="Give the day away").click()
    await row_button(page, appointment, "Start").click()
    await complete(page, appointment)

    await search_field(clinic.other_desk).fill("fermat")
    await wait_until_seen(clinic.other_desk)
    missing_row = clinic.other_desk.locator(f"[data-result][data-patient='{missing}']")
    await choose(clinic.other_desk, missing_row, "Did not come to the appointment")
    await expect(row(page, missed)).to_contain_text("Canceled")


async def test_whole_day_ends_with_an_empty_house(empty_house: StaffPages) -> None:
    clinic = await open_clinic(empty_house)

    await call_and_pass_on(clinic)
    await start_by_mistake_and_transfer(clinic)
    await stay_silent_and_come(clinic)
    await release_and_leave(clinic)
    await fall_ill_and_miss(clinic)

    await expect(clinic.supervisor.get_by_text("No patient is in house.")).to_be_visible()
    await expect(clinic.desk.get_by_role("tab", name="Expected now")).to_contain_text("0")
    assert await empty_house.page_site.query("SELECT id FROM patient_trackings WHERE status != 'completed'") == []
    assert (await empty_house.engine.database.read(audit)).passed
