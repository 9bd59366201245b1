"""The two screens on a wall: the waiting room's, which names no one, and the staff's, which says before its session ends."""

from datetime import UTC, datetime, timedelta

from playwright.async_api import Locator, Page, expect
from sqlalchemy import update

from patient_visit_engine.storage.tables import sessions
from tests.support.page_site import PASSWORD, StaffPages, card, wait_until_live, wait_until_offline
from tests.support.scene import Scene, call_patient

#: Counts the tones that the page plays.
COUNT_TONES = """globalThis.tones = 0;
const Tone = OscillatorNode;
globalThis.OscillatorNode = class extends Tone { start(...at) { tones += 1; super.start(...at); } };"""
#: The elements that are cut by the edge of the screen or of their list.
CUT = """elements => elements.filter(element => {
    const box = element.getBoundingClientRect(), list = element.parentElement.getBoundingClientRect();
    return box.top < list.top - 1 || box.bottom > list.bottom + 1 || box.bottom > innerHeight || box.right > innerWidth;
}).map(element => element.textContent)"""
#: The texts of which the end does not fit.
CLIPPED = """elements => elements.filter(element => element.scrollWidth > element.clientWidth).map(element => element.textContent)"""
SCROLLS = "document.documentElement.scrollHeight > document.documentElement.clientHeight"


def tile(page: Page, ticket: str) -> Locator:
    """The large tile of a called ticket."""
    return page.locator(".called-tile").filter(has_text=ticket)


async def move_session_end(staff: StaffPages, minutes: int) -> None:
    """Make all sessions of the system end in so many minutes."""
    statement = update(sessions).values(expires_at=datetime.now(UTC) + timedelta(minutes=minutes))
    await staff.engine.database.write(lambda connection: connection.execute(statement))


async def test_waiting_room_shows_calls_and_names_no_one(scene: Scene) -> None:
    staff = scene.staff
    browser = await staff.open_browser("wall", viewport={"width": 1280, "height": 2000})
    await browser.add_init_script(COUNT_TONES)
    page = await browser.new_page()
    await page.goto("/board")
    await wait_until_live(page)
    assert page.url.endswith("/waiting-room")
    await page.get_by_role("button", name="Switch sound on").click()
    await expect(page.get_by_role("button", name="Switch sound off")).to_be_visible()
    confirmed = await page.evaluate("tones")

    doctor = staff.new_doctor()
    ticket = await call_patient(staff, doctor, room="12")

    await expect(tile(page, ticket)).to_contain_text("Room 12")
    await expect(page.get_by_text(f"Ticket {ticket}, Room 12.")).to_be_attached()
    assert await page.evaluate("tones") == 2 * confirmed > 0
    text = await page.locator("body").inner_text()
    assert [word for word in ("Doe", "J. D.", "Dr.", "verdue", "min") if word in text] == []
    await staff.engine.start(doctor, *await called_patient(staff, doctor))
    await page.reload()
    await expect(page.locator(".over")).to_have_count(0)
    await page.locator("h1").click()
    await expect(page.get_by_role("button", name="Switch sound off")).to_be_visible()


async def called_patient(staff: StaffPages, doctor: int) -> tuple[int, int]:
    """The patient and the appointment of the doctor."""
    sql = "SELECT patient_id, id FROM appointments WHERE doctor_id = :doctor"
    [appointment] = await staff.page_site.query(sql, doctor=doctor)
    return appointment["patient_id"], appointment["id"]


async def test_call_that_is_over_stays_below_the_open_ones(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    page = await staff.open_page("wall", viewport={"width": 1280, "height": 2000})
    ticket = await call_patient(staff, doctor, room="12")
    await expect(tile(page, ticket)).to_be_visible()

    assert (await staff.engine.start(doctor, *await called_patient(staff, doctor))).status_code == 201

    await expect(page.locator(".over")).to_contain_text(f"{ticket} Room 12")
    await expect(tile(page, ticket)).to_have_count(0)


async def test_waiting_room_goes_on_after_an_outage_and_a_sign_in(staff: StaffPages) -> None:
    proxy = await staff.start_proxy()
    page = await staff.open_page("wall", base=proxy.url, viewport={"width": 1280, "height": 2000})
    proxy.mode = "502"
    proxy.cut()
    await wait_until_offline(page)
    ticket = await call_patient(staff, staff.new_doctor(), room="9")
    await expect(page.locator(".waiting-room.stale header time")).to_be_visible()

    proxy.mode = "open"
    await wait_until_live(page)
    await expect(tile(page, ticket)).to_contain_text("Room 9")
    await move_session_end(staff, -1)
    await page.get_by_text("Your session is over").wait_for()
    await page.get_by_label("Name", exact=True).fill("wall")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.keyboard.press("Enter")

    await expect(tile(page, ticket)).to_contain_text("Room 9")
    assert page.url.endswith("/waiting-room")


async def test_both_walls_page_by_whole_lanes(scene: Scene) -> None:
    tickets = [await call_patient(scene.staff, scene.staff.new_doctor(), room=str(room)) for room in range(20, 28)]
    for user, path, things in (("wall", "/waiting-room", ".called-tile"), ("supervisor", "/wall", ".ward .line-up")):
        page = await scene.open_page(user, path, viewport={"width": 700, "height": 460})
        await page.get_by_text("page 1 of").first.wait_for()
        first_page = await page.locator(things).all_inner_texts()

        assert await page.locator(things).evaluate_all(CUT) == []
        await expect(page.get_by_text("page 2 of").first).to_be_visible()
        assert await page.locator(things).all_inner_texts() != first_page
        assert await page.locator(things).evaluate_all(CUT) == []
        assert not await page.evaluate(SCROLLS)
        await expect(page.locator("header time")).to_be_in_viewport()
        await expect(page.locator("header .light")).to_be_in_viewport()
        await page.close()
    assert len(tickets) == len(set(tickets))


async def test_staff_wall_says_by_how_long_a_consultation_is_overdue(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    patient, (appointment,) = await staff.new_patient(doctor)
    assert (await staff.engine.start(doctor, patient, appointment)).status_code == 201
    await staff.backdate_tracking(appointment, started_at=25, overdue_at=5)

    page = await staff.open_page("supervisor", "/wall", viewport={"width": 1280, "height": 8000})

    await expect(card(page, patient)).to_contain_text("overdue by 5 min")


async def test_staff_wall_clips_no_words(staff: StaffPages) -> None:
    doctor, other_doctor = staff.new_doctor(), staff.new_doctor()
    patient, (waiting, running) = await staff.new_patient(doctor, other_doctor)
    assert (await staff.engine.start(other_doctor, patient, running)).status_code == 201
    await staff.backdate_tracking(waiting, check_in_time=75)

    for width in (390, 1920):
        page = await staff.open_page("supervisor", "/wall", viewport={"width": width, "height": 8000}, locale="fr-FR")

        await expect(card(page, patient)).to_contain_text("1 h 15")
        assert await page.locator(".ward .words, .ward h2 bdi, .ward h2 small").evaluate_all(CLIPPED) == []
        assert await page.locator(".ward .line-up").evaluate_all(CUT) == []
        await page.close()


async def test_staff_wall_says_before_its_session_ends(staff: StaffPages) -> None:
    browser = await staff.open_browser("supervisor")
    await move_session_end(staff, 10)

    page = await browser.new_page()
    await page.goto("/wall")

    await expect(page.locator(".ends")).to_contain_text("The session of this screen ends at")
    await page.get_by_role("link", name="Sign in again").click()
    await page.get_by_label("Name", exact=True).fill("supervisor")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await wait_until_live(page)
    assert page.url.endswith("/wall")
    await expect(page.locator(".ends")).to_have_count(0)
