"""Staff can tell two patients of one name apart on each screen, also by a screen reader. Each name has its own direction."""

import re
from typing import Any

from playwright.async_api import Page, expect
from sqlalchemy import update

from patient_visit_engine.storage.tables import patients
from tests.support.page_site import StaffPages, card, notices, row, row_button

ARABIC = "\u0645\u0631\u064a\u0645"
MARIA = {"first_name": "Maria", "last_name": "Santos", "birth_date": "1980-02-03", "record_number": "P-017"}
OTHER = {"first_name": "Maria", "last_name": "Santos", "birth_date": "1980-02", "record_number": None}
SPOKEN = re.compile("Maria Santos, born 3 Feb 1980 \u00b7 no. .P-017.")


async def rename(staff: StaffPages, patient: int, fields: dict[str, Any]) -> None:
    statement = update(patients).where(patients.c.id == patient).values(**fields)
    await staff.engine.database.write(lambda connection: connection.execute(statement))


async def directions(page: Page, selector: str) -> list[str]:
    """How the browser isolates each name that the selector matches."""
    result: list[str] = await page.locator(selector).evaluate_all(
        "names => names.map(name => getComputedStyle(name).unicodeBidi)"
    )
    return result


async def test_worklist_tells_patients_of_one_name_apart(staff: StaffPages) -> None:
    doctor, other_doctor = staff.new_doctor(), staff.new_doctor()
    first, (first_appointment, taken) = await staff.new_patient(doctor, other_doctor)
    second, (second_appointment,) = await staff.new_patient(doctor)
    await rename(staff, first, MARIA)
    await rename(staff, second, OTHER)
    page = await staff.open_page(doctor)

    await expect(row(page, first_appointment).locator(".identity")).to_have_text(
        re.compile("born 3 Feb 1980 \u00b7 no. .P-017.")
    )
    await expect(row(page, second_appointment).locator(".identity")).to_have_text("born Feb 1980")
    await expect(page.get_by_role("button", name=re.compile("Start with " + SPOKEN.pattern))).to_have_count(1)
    await expect(page.get_by_role("button", name="Start with Maria Santos, born Feb 1980")).to_have_count(1)
    assert set(await directions(page, ".row bdi")) == {"isolate"}

    assert (await staff.engine.start(other_doctor, first, taken)).status_code == 201
    await expect(row(page, first_appointment)).to_contain_text("With Dr.")
    await row_button(page, first_appointment, "Wait").click()
    await row_button(page, second_appointment, "Start").click()
    await expect(row(page, second_appointment)).to_contain_text("In consultation with you")
    french = await staff.open_page(doctor, locale="fr-FR")
    await expect(row(french, second_appointment).locator(".identity")).to_have_text("naissance f\u00e9vr. 1980")


async def test_board_and_visit_show_identity(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    patient, (appointment,) = await staff.new_patient(doctor, arrived=False)
    await rename(staff, patient, MARIA | {"first_name": ARABIC})
    spoken = re.compile(f"{ARABIC} Santos, born 3 Feb 1980")
    desk = await staff.open_page("supervisor", "/desk")

    await row(desk, appointment).get_by_role("button", name=spoken).first.click()
    await expect(notices(desk)).to_contain_text(f"\u2068{ARABIC} SANTOS\u2069, born 3 Feb 1980")
    board = await staff.open_page("supervisor", "/board")
    await expect(card(board, patient).locator(".identity")).to_contain_text("P-017")
    assert set(await directions(board, ".card bdi")) == {"isolate"}

    assert (await staff.engine.start(doctor, patient, appointment)).status_code == 201
    await board.get_by_role("button", name=re.compile(f"End for the doctor: {ARABIC}")).click()
    await expect(board.get_by_role("dialog")).to_contain_text(f"\u2068{ARABIC} SANTOS\u2069, born 3 Feb 1980")

    visit = await staff.open_page("supervisor", f"/patients/{patient}")
    await expect(visit.get_by_role("heading", level=1)).to_contain_text("born 3 Feb 1980")


async def test_family_name_has_capitals_on_the_screen_only(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    patient, (appointment,) = await staff.new_patient(doctor)
    page = await staff.open_page(doctor)
    board = await staff.open_page("supervisor", "/board")
    visit = await staff.open_page("supervisor", f"/patients/{patient}")

    for name in row(page, appointment).locator("bdi"), card(board, patient).locator("bdi"), visit.locator("h1 bdi"):
        # A part of the page that the browser has not drawn yet has no text for a reader.
        await name.scroll_into_view_if_needed()
        await expect(name).to_have_text(f"John DOE{patient}", use_inner_text=True)
        # The text itself, as a screen reader gets it.
        await expect(name).to_have_text(f"John Doe{patient}")


async def test_offer_and_refusal_show_identity(staff: StaffPages) -> None:
    first, second = staff.new_doctor(), staff.new_doctor()
    patient, (first_appointment, second_appointment) = await staff.new_patient(first, second)
    other_patient, _ = await staff.new_patient(second)
    await rename(staff, patient, MARIA)
    await rename(staff, other_patient, OTHER)
    started = await staff.engine.start(first, patient, first_appointment)
    page = await staff.open_page(second)
    await row_button(page, second_appointment, "Wait").click()
    await expect(row(page, second_appointment)).to_contain_text("you are 1st in line")

    await staff.engine.complete(first, started.json()["id"])

    offer = page.get_by_role("complementary", name="Patients free for you")
    await expect(offer).to_contain_text("\u2068Maria SANTOS\u2069, born 3 Feb 1980")
    await expect(offer).to_contain_text("same name")
    await expect(offer.get_by_role("button", name=SPOKEN)).to_have_count(1)


async def test_same_name_is_marked_wherever_both_are_on_the_screen(staff: StaffPages) -> None:
    doctor, other_doctor = staff.new_doctor(), staff.new_doctor()
    first, (first_appointment, _) = await staff.new_patient(doctor, other_doctor)
    second, (second_appointment,) = await staff.new_patient(doctor)
    for patient, born in (first, "1980-02-03"), (second, "1981"):
        await rename(staff, patient, {"first_name": "Nadia", "last_name": f"Okoro{first}", "birth_date": born})
    board = await staff.open_page("supervisor", "/board")
    for patient in (first, second):
        await expect(card(board, patient).locator(".same")).to_have_text("same name")

    page = await staff.open_page(doctor)
    await row(page, second_appointment).get_by_role("button", name="More for").click()
    await page.get_by_role("menuitem", name="Priority").click()
    await expect(page.get_by_role("dialog")).to_contain_text(f"Nadia OKORO{first}\u2069, born 1981 \u00b7 same name")
    await page.keyboard.press("Escape")
    await row_button(page, first_appointment, "Start").click()
    await expect(row(page, first_appointment)).to_contain_text("In consultation with you")
    await row_button(page, second_appointment, "Start").click()
    question = page.get_by_role("alertdialog")
    await expect(question).to_contain_text("born 3 Feb 1980 \u00b7 same name")
    await expect(question).to_contain_text("born 1981 \u00b7 same name")


async def test_new_name_of_a_doctor_shows_on_every_screen(staff: StaffPages) -> None:
    doctor, other_doctor = staff.new_doctor(), staff.new_doctor()
    patient, (appointment, other_appointment) = await staff.new_patient(doctor, other_doctor)
    assert (await staff.engine.start(doctor, patient, appointment)).status_code == 201
    worklist = await staff.open_page(other_doctor)
    board = await staff.open_page("reception", "/board")
    visit = await staff.open_page("supervisor", f"/patients/{patient}")
    shown = [row(worklist, other_appointment), card(board, patient), visit.locator("main")]
    for place in shown:
        await expect(place).to_contain_text(f"Dr. {doctor}")

    async with staff.engine.staff("service") as feed:
        assert (await feed.put(f"/api/doctors/{doctor}", json={"name": "Dr. Haddad"})).status_code == 200

    for place in shown:
        await expect(place).to_contain_text("Dr. Haddad")
