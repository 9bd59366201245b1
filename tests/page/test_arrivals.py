"""Arrivals and departures at the desk: Undo takes back one press, and a patient who left is not expected."""

import re

from playwright.async_api import expect

from tests.support.page_site import StaffPages, notices, row


async def test_undo_takes_back_only_its_own_check_in(staff: StaffPages) -> None:
    patient, (first, second) = await staff.new_patient(staff.new_doctor(), staff.new_doctor(), arrived=False)
    async with staff.engine.staff("reception") as reception:
        assert (await reception.post(f"/api/appointments/{first}/check-in")).status_code == 201
    desk = await staff.open_page("reception", "/desk")
    await row(desk, second).get_by_role("button", name=f"Check in John Doe{patient}").click()

    await notices(desk).get_by_role("button", name="Undo").click()

    await expect(notices(desk).filter(has_text="Check-in taken back")).to_be_visible()
    rows = await staff.page_site.query("SELECT id, status FROM appointments WHERE patient_id = :id", id=patient)
    # 3 is checked in, 1 confirmed.
    assert {row["id"]: row["status"] for row in rows} == {first: 3, second: 1}


async def test_patient_who_left_is_not_expected(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    patient, (appointment,) = await staff.new_patient(doctor)
    page = await staff.open_page(doctor)
    await expect(row(page, appointment)).to_contain_text("Free")

    async with staff.engine.staff("reception") as reception:
        assert (await reception.post(f"/api/patients/{patient}/check-out")).status_code == 200

    await expect(row(page, appointment)).to_contain_text(re.compile(r"Left at \d\d:\d\d"))
    await expect(row(page, appointment)).not_to_contain_text("Not here yet")
