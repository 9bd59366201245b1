"""What comes out of the printer: the list for an hour without the system, and a ticket. Chromium prints each as a PDF."""

import re

from playwright.async_api import Page, expect
from sqlalchemy import update

from patient_visit_engine.storage.tables import patients
from tests.support.desk_page import search_field, wait_until_seen
from tests.support.page_site import StaffPages, row

#: Each takes two lines of a narrow column.
LONG_NAME = "Maximiliana Konstanze von Hohenberg-Altenstein"


async def print_sheets(page: Page) -> tuple[int, str]:
    """Print like the browser's own menu does. Returns the number of sheets, and the text of the list when it is printed."""
    await page.evaluate(
        "addEventListener('beforeprint', () => { window.printed = document.querySelector('.paper')?.innerText ?? '' })"
    )
    sheets = await page.pdf(prefer_css_page_size=True)
    text: str = await page.evaluate("window.printed")
    return len(re.findall(rb"/Type\s*/Page\b", sheets)), text


async def test_sixty_patients_fit_on_two_sheets(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    ids = [(await staff.new_patient(doctor, arrived=False))[0] for _ in range(60)]
    names = {"first_name": LONG_NAME, "birth_date": "1974-05-02"}
    rename = update(patients).where(patients.c.id.in_(ids)).values(**names)
    await staff.engine.database.write(lambda connection: connection.execute(rename))
    page = await staff.open_page(doctor, "/worklist")

    sheets, text = await print_sheets(page)

    assert sheets == 2
    assert text.count(LONG_NAME) == 60
    assert "2 May 1974" in text
    assert re.search(r"printed on \w+ \d+ \w+ at \d\d:\d\d", text)
    await expect(page.locator(".paper")).to_be_empty()


async def test_board_prints_one_line_for_each_patient(staff: StaffPages) -> None:
    doctor, other = staff.new_doctor(), staff.new_doctor()
    patient, (appointment, _) = await staff.new_patient(doctor, other)
    assert (await staff.engine.start(doctor, patient, appointment)).status_code == 201
    board = await staff.open_page("reception", "/board")

    _, text = await print_sheets(board)

    lines = [line for line in text.splitlines() if f"DOE{patient}" in line]
    assert len(lines) == 1
    assert f"Dr. {doctor}, Dr. {other}\tin consultation" in lines[0]


async def test_ticket_is_one_sheet(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    appointments = [(await staff.new_patient(doctor, arrived=False))[1][0] for _ in range(30)]
    desk = await staff.open_page("reception", "/desk")
    # Waits for each step, so that a failure says which one was too slow.
    async with desk.expect_response("**/check-in"):
        await row(desk, appointments[0]).get_by_role("button", name="Check in").click()
    await desk.locator(".arrival .ticket-card").wait_for()
    assert (await print_sheets(desk))[0] == 1

    await search_field(desk).fill("Gauss")
    await wait_until_seen(desk)
    await search_field(desk).press("Enter")
    dialog = desk.get_by_role("dialog", name="Walk-in")
    await dialog.get_by_label("Service").select_option("Cardiology")
    await dialog.get_by_label("Doctor").select_option(f"Dr. {doctor}")
    await dialog.get_by_role("button", name="Check in").click()
    await dialog.locator(".ticket-card").wait_for()

    assert (await print_sheets(desk))[0] == 1
    await desk.emulate_media(media="print")
    await expect(desk.locator(".arrival .ticket-card")).to_be_hidden()
    await expect(dialog.locator(".ticket-number")).to_be_visible()
