"""What stands in a row, and where: the identity in whole parts, the buttons in their order, and what a phone shows."""

from playwright.async_api import FloatRect, Locator, expect
from sqlalchemy import update

from patient_visit_engine.storage.tables import patients
from tests.support.page_site import StaffPages, card, row, row_button

PHONE = {"width": 390, "height": 844}
#: A short line of text is lower than this.
ONE_LINE = 30


async def describe(staff: StaffPages, patient: int, **values: str) -> None:
    """Give the patient another name, a birth date or a record number."""
    statement = update(patients).where(patients.c.id == patient).values(**values)
    await staff.engine.database.write(lambda connection: connection.execute(statement))


async def box_of(element: Locator) -> FloatRect:
    box = await element.bounding_box()
    assert box is not None
    return box


async def right_edge(element: Locator) -> int:
    box = await box_of(element)
    return round(box["x"] + box["width"])


async def test_row_with_a_whole_identity_has_48_pixels(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    await staff.new_patient(doctor)
    patient, (appointment,) = await staff.new_patient(doctor)
    identity = {"birth_date": "1962-11-30", "record_number": "R-00913"}
    await describe(staff, patient, first_name="Amina", last_name="Haddady", **identity)

    page = await staff.open_page(doctor, "/worklist")

    await expect(row(page, appointment)).to_contain_text("R-00913")
    assert round((await box_of(row(page, appointment)))["height"]) == 48


async def test_identity_breaks_only_between_its_parts(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    patient, (appointment,) = await staff.new_patient(doctor)
    await describe(staff, patient, birth_date="1962-11-30", record_number="R-00914")

    for width in (320, 390, 480, 768, 1024, 1280):
        page = await staff.open_page(doctor, "/worklist", viewport={"width": width, "height": 800}, locale="fr-FR")
        part = row(page, appointment).get_by_text("R-00914")
        assert (await box_of(part))["height"] < ONE_LINE, width
        assert (await part.inner_text()).startswith("n°")
        await page.close()


async def test_buttons_of_my_day_stand_in_their_order(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    patient, (running,) = await staff.new_patient(doctor)
    _, (first,) = await staff.new_patient(doctor)
    _, (second,) = await staff.new_patient(doctor)
    assert (await staff.engine.start(doctor, patient, running)).status_code == 201
    page = await staff.open_page(doctor, "/worklist")
    names = await page.locator(".group.now .acts .button").all_inner_texts()
    assert [name.split("→")[0].strip() for name in names] == ["Complete", "Complete and call next", "Pause", "+15 min"]

    start, call = row_button(page, first, "Start"), row_button(page, first, "Call")
    edge = await right_edge(start)
    assert edge == await right_edge(row_button(page, second, "Start"))
    await call.click()

    await expect(call).to_have_count(0)
    assert await right_edge(start) == edge


async def test_narrow_phone_shows_the_colleague_who_waits(staff: StaffPages) -> None:
    doctor, other_doctor = staff.new_doctor(), staff.new_doctor()
    patient, (appointment, waiting) = await staff.new_patient(doctor, other_doctor)
    assert (await staff.engine.start(doctor, patient, appointment)).status_code == 201
    assert (await staff.engine.start(other_doctor, patient, waiting, wait=True)).status_code == 409
    page = await staff.open_page(doctor, "/worklist", viewport={"width": 320, "height": 700}, locale="fr-FR")

    waits, state = await box_of(page.locator(".group.now .long")), await box_of(page.locator(".group.now .state"))

    assert waits["y"] + waits["height"] <= state["y"] + state["height"] + 1


async def test_mark_of_one_name_is_one_line(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    marked = [await staff.new_patient(doctor) for _ in range(2)]
    for patient, _ in marked:
        await describe(staff, patient, first_name="Ruth", last_name="Twiceborn", birth_date="1962-11-30")
    for path in ("/board", "/worklist"):
        page = await staff.open_page("supervisor", path)
        for patient, (appointment,) in marked:
            place = card(page, patient) if path == "/board" else row(page, appointment)
            assert (await box_of(place.locator(".same")))["height"] < ONE_LINE, path
        await page.close()


async def test_phone_shows_rows_of_the_desk_in_its_first_half(staff: StaffPages) -> None:
    await staff.new_patient(staff.new_doctor())
    page = await staff.open_page("reception", "/desk", viewport=PHONE, has_touch=True)

    await page.get_by_role("tab", name="Arrived").click()

    assert (await box_of(page.locator(".row").first))["y"] < PHONE["height"] / 2


async def test_phone_shows_the_first_row_of_my_day_in_its_first_half(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    await staff.new_patient(doctor)

    page = await staff.open_page(doctor, "/worklist", viewport={"width": 320, "height": 700}, locale="fr-FR")

    assert (await box_of(page.locator(".row, .nothing").first))["y"] < 350
