"""Offers of patients: the bar, the badge in the tab's title, the alerts, and what ended without the doctor."""

import re

from playwright.async_api import Locator, Page, expect

from tests.support.page_site import StaffPages, choose_in_account, isolated_name, load_page, row, row_button, warnings

#: Records the notifications that the page shows, in a browser that allows them.
NOTIFICATIONS = """
    window.shown = [];
    window.Notification = class {
        static permission = "granted";
        static requestPermission = async () => "granted";
        constructor(title, options) {
            if (window.isAndroid) throw new TypeError("Illegal constructor");
            if (!options.silent) window.shown.push(`${title} ${JSON.stringify(options)}`);
        }
        close() {}
    };
"""

#: Counts the tones, and lists the sound devices that the page has opened.
COUNTED_TONES = """
    window.tones = 0;
    window.devices = [];
    window.AudioContext = class extends AudioContext {
        constructor() {
            super();
            window.devices.push(this);
        }
    };
    const start = OscillatorNode.prototype.start;
    OscillatorNode.prototype.start = function (at) {
        window.tones += 1;
        start.call(this, at);
    };
"""


def bar(page: Page) -> Locator:
    return page.get_by_role("complementary", name="Patients free for you")


async def offer(staff: StaffPages) -> tuple[int, int, int]:
    """A patient who is offered to a waiting doctor now. Returns the ids of doctor, patient and appointment."""
    holder, doctor = staff.new_doctor(), staff.new_doctor()
    patient, (held, waited) = await staff.new_patient(holder, doctor)
    started = await staff.engine.start(holder, patient, held)
    async with staff.engine.staff("doctor", doctor) as client:
        assert (await client.post(f"/api/appointments/{waited}/wait")).status_code == 200
    async with staff.engine.staff("doctor", holder) as client:
        completed = await client.post(f"/api/consultations/{started.json()['id']}/complete")
    assert completed.status_code == 200
    return doctor, patient, waited


async def test_open_offer_is_there_after_reload(staff: StaffPages) -> None:
    doctor, patient, appointment = await offer(staff)

    page = await staff.open_page(doctor)
    await expect(bar(page)).to_contain_text(f"{isolated_name(patient)} is free for you")
    await expect(page).to_have_title(re.compile(r"^\(1\) "))
    await page.goto(f"/patients/{patient}")
    await expect(page).to_have_title(re.compile(r"^\(1\) "))
    await bar(page).get_by_role("button", name="Start").click()

    await expect(bar(page)).to_be_empty()
    await expect(page).to_have_title(re.compile("^Visit "))
    await page.goto("/")
    await expect(row(page, appointment)).to_contain_text("In consultation with you")


async def test_called_patient_is_in_the_title(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    _, (appointment,) = await staff.new_patient(doctor)
    page = await staff.open_page(doctor)
    await expect(page).to_have_title(re.compile("^Worklist "))

    await row_button(page, appointment, "Call").click()

    await expect(page).to_have_title(re.compile(r"^\(1\) "))
    await expect(bar(page)).to_be_empty()


async def test_wait_that_ended_leaves_a_line(staff: StaffPages) -> None:
    holder, doctor = staff.new_doctor(), staff.new_doctor()
    patient, (held, waited) = await staff.new_patient(holder, doctor)
    assert (await staff.engine.start(holder, patient, held)).status_code == 201
    page = await staff.open_page(doctor)
    await row_button(page, waited, "Wait").click()
    await expect(row(page, waited)).to_contain_text("you are 1st in line")

    async with staff.engine.staff("reception") as desk:
        answer = await desk.post(f"/api/appointments/{waited}/cancel", json={"reason": "patient"})
    assert answer.status_code == 200

    line = bar(page).get_by_text(f"You no longer wait for {isolated_name(patient)}: the appointment was canceled")
    await expect(line).to_be_visible()
    await page.reload()
    await expect(line).to_be_visible()
    assert "Doe" not in await page.evaluate("JSON.stringify({...sessionStorage, ...localStorage})")
    await bar(page).get_by_role("button", name="Close").click()
    await expect(bar(page)).to_be_empty()
    await page.reload()
    await expect(row(page, waited)).to_contain_text("Canceled")
    await expect(bar(page)).to_be_empty()


async def test_alerts_are_off_until_chosen(staff: StaffPages) -> None:
    holder, doctor = staff.new_doctor(), staff.new_doctor()
    patient, (held, waited) = await staff.new_patient(holder, doctor)
    browser = await staff.open_browser(doctor)
    await browser.add_init_script(NOTIFICATIONS)
    page = await load_page(browser, "/")

    async def offer_again() -> None:
        started = await staff.engine.start(holder, patient, held)
        assert started.status_code == 201
        await row_button(page, waited, "Wait").click()
        await expect(row(page, waited)).to_contain_text("you are 1st in line")
        async with staff.engine.staff("doctor", holder) as client:
            await client.post(f"/api/consultations/{started.json()['id']}/undo-start")
        await expect(bar(page)).to_contain_text("is free for you")

    await offer_again()
    assert await page.evaluate("window.shown") == []
    await row_button(page, waited, "Start").click()
    await row_button(page, waited, "Complete").click()
    question = page.get_by_role("alertdialog")
    await question.get_by_role("button", name="Take the start back").click()
    await expect(row(page, waited)).to_contain_text("Free")
    await page.evaluate("window.isAndroid = true")
    await choose_in_account(page, "Browser notification for a new offer")
    await expect(warnings(page).filter(has_text="does not allow notifications")).to_be_visible()
    await page.keyboard.press("Escape")
    await page.evaluate("window.isAndroid = false")
    await choose_in_account(page, "Browser notification for a new offer")
    await page.keyboard.press("Escape")

    await offer_again()

    [shown] = await page.evaluate("window.shown")
    assert shown.startswith("A patient is free for you")
    assert f"Doe{patient}" not in shown


async def test_one_of_two_tabs_rings(staff: StaffPages) -> None:
    holder, doctor = staff.new_doctor(), staff.new_doctor()
    patient, (held, waited) = await staff.new_patient(holder, doctor)
    browser = await staff.open_browser(doctor)
    await browser.add_init_script(COUNTED_TONES)
    tabs = [await load_page(browser, "/") for _ in range(2)]
    await choose_in_account(tabs[0], "Sound for a new offer")
    await tabs[0].keyboard.press("Escape")
    await tabs[1].reload()
    for tab in tabs:
        await tab.locator("h1").click()
        await tab.wait_for_function("window.devices.some(device => device.state === 'running')")
        await tab.evaluate("window.tones = 0")

    async with staff.engine.staff("doctor", holder) as client:
        started = await staff.engine.start(holder, patient, held)
        await row_button(tabs[0], waited, "Wait").click()
        await expect(row(tabs[0], waited)).to_contain_text("you are 1st in line")
        await client.post(f"/api/consultations/{started.json()['id']}/undo-start")

    for tab in tabs:
        await expect(bar(tab)).to_contain_text("is free for you")
    # The sound is two tones.
    assert sum([await tab.evaluate("window.tones") for tab in tabs]) == 2


async def test_supervisors_changes_are_said(staff: StaffPages) -> None:
    doctor, other = staff.new_doctor(), staff.new_doctor()
    patient, (appointment,) = await staff.new_patient(doctor)
    page = await staff.open_page(doctor)
    started = await staff.engine.start(doctor, patient, appointment)

    supervisor = (await staff.open_browser("supervisor")).request
    await supervisor.post(f"/api/consultations/{started.json()['id']}/undo-start")
    undone = warnings(page).filter(has_text=f"Your start with {isolated_name(patient)} was taken back")
    await expect(undone).to_contain_text("By \u2068Supervisor\u2069")
    started = await staff.engine.start(doctor, patient, appointment)
    consultation = f"/api/consultations/{started.json()['id']}"
    await supervisor.post(f"{consultation}/transfer", data={"doctor_id": other})

    transferred = f"Your consultation with {isolated_name(patient)} was transferred to \u2068Dr. {other}\u2069"
    await expect(warnings(page).filter(has_text=transferred)).to_contain_text("By \u2068Supervisor\u2069")
    await expect(warnings(page)).to_have_count(2)


async def test_own_undo_is_not_said_as_anothers(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    patient, (appointment,) = await staff.new_patient(doctor)
    page = await staff.open_page(doctor)
    await row_button(page, appointment, "Start").click()

    await page.locator("[data-sonner-toast]").get_by_role("button", name="Undo").click()

    await expect(page.locator("[data-sonner-toast]").filter(has_text="Start taken back")).to_be_visible()
    await expect(row(page, appointment)).to_contain_text("Free")
    # The notice of a later event shows that the event of the undo has arrived.
    async with staff.engine.staff("supervisor") as supervisor:
        started = await staff.engine.start(doctor, patient, appointment)
        answer = await supervisor.post(
            f"/api/consultations/{started.json()['id']}/release", json={"reason": "wrong patient"}
        )
        assert answer.status_code == 200
    await expect(warnings(page).filter(has_text="wrong patient")).to_be_visible()
    await expect(warnings(page)).to_have_count(1)
