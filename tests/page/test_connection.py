"""What the screen does when the network, the server or the session goes, and when it comes back."""

import asyncio
from datetime import UTC, datetime, timedelta

import httpx
from playwright.async_api import expect
from sqlalchemy import update

from patient_visit_engine.storage.tables import sessions
from tests.support.page_site import PASSWORD, StaffPages, is_live, is_offline, notices, press, row
from tests.support.stream_site import until


async def test_a_cut_network_greys_the_rows_and_all_is_caught_up_when_it_is_back(shift: StaffPages) -> None:
    first, second = shift.doctor(), shift.doctor()
    _, (mine, theirs) = await shift.patient(first, second)
    proxy = await shift.proxy()
    there = await shift.screen(second, base=proxy.url)
    here = await shift.screen(first)

    proxy.mode = "502"
    proxy.cut()
    await is_offline(there)
    await press(here, mine, "Start").click()
    await expect(row(here, mine)).to_contain_text("In consultation with you")

    await expect(there.locator(".light")).to_contain_text("Offline since ")
    await expect(there.locator(".worklist.stale")).to_be_visible()
    await expect(row(there, theirs)).to_contain_text("Free")
    proxy.mode = "open"
    await is_live(there)
    await expect(row(there, theirs)).to_contain_text(f"With Dr. {first}")
    await expect(there.locator(".stale")).to_have_count(0)


async def test_a_screen_that_was_read_while_nobody_answered_reads_when_somebody_does(shift: StaffPages) -> None:
    doctor = shift.doctor()
    _, (mine,) = await shift.patient(doctor)
    proxy = await shift.proxy()
    here = await shift.screen(doctor, base=proxy.url)
    proxy.mode = "html"
    proxy.cut()
    await is_offline(here)

    await here.get_by_role("button", name="Day after").click()
    await here.get_by_role("button", name="Day before").click()
    proxy.mode = "open"

    await is_live(here)
    await expect(press(here, mine, "Start")).to_be_visible()


async def test_a_start_whose_answer_is_lost_is_asked_again_and_happens_once(shift: StaffPages) -> None:
    doctor = shift.doctor()
    patient, (mine,) = await shift.patient(doctor)
    proxy = await shift.proxy()
    here = await shift.screen(doctor, base=proxy.url)
    keys: list[str] = []
    here.on(
        "request",
        lambda request: (
            keys.append(request.headers["idempotency-key"]) if request.url.endswith("/api/consultations") else None
        ),
    )

    proxy.mode = "502"
    await press(here, mine, "Start").click()
    await expect(row(here, mine)).to_contain_text("Asking again")
    proxy.mode = "open"

    await expect(row(here, mine)).to_contain_text("In consultation with you")
    assert len(keys) > 1
    assert len(set(keys)) == 1
    begun = await shift.ward.rows("SELECT id FROM patient_trackings WHERE patient_id = :p", p=patient)
    assert len(begun) == 1


async def test_a_server_that_is_killed_and_started_again_is_noticed_and_found(shift: StaffPages) -> None:
    first, second = shift.doctor(), shift.doctor()
    _, (mine, theirs) = await shift.patient(first, second)
    here, there = await shift.screen(first), await shift.screen(second)

    shift.hospital.api.kill()
    await asyncio.gather(is_offline(here), is_offline(there))
    shift.hospital.api.start()
    await shift.hospital.ready()
    await asyncio.gather(is_live(here), is_live(there))

    await press(here, mine, "Start").click()
    await expect(row(there, theirs)).to_contain_text(f"With Dr. {first}")


async def test_seven_tabs_have_one_stream_and_all_show_what_happens(shift: StaffPages) -> None:
    first, second = shift.doctor(), shift.doctor()
    _, (mine, theirs) = await shift.patient(first, second)
    proxy = await shift.proxy()
    context = await shift.browser(second, base=proxy.url)
    tabs = [await context.new_page() for _ in range(7)]
    for tab in tabs:
        await tab.goto("/worklist")
        await is_live(tab)
    assert proxy.streams == 1
    here = await shift.screen(first)

    await press(here, mine, "Start").click()

    for tab in tabs:
        await expect(row(tab, theirs)).to_contain_text(f"With Dr. {first}")
    await tabs[0].close()
    await press(here, mine, "Complete").click()
    for tab in tabs[1:]:
        await expect(row(tab, theirs)).to_contain_text("Free")


async def test_a_double_click_on_start_is_one_start(shift: StaffPages) -> None:
    doctor = shift.doctor()
    patient, (mine,) = await shift.patient(doctor)
    here = await shift.screen(doctor)
    asked: list[str] = []
    here.on("request", lambda request: asked.append(request.method) if "/api/consultations" in request.url else None)

    await press(here, mine, "Start").dblclick()

    await expect(row(here, mine)).to_contain_text("In consultation with you")
    assert asked == ["POST"]
    begun = await shift.ward.rows("SELECT status FROM patient_trackings WHERE patient_id = :p", p=patient)
    assert [one["status"] for one in begun] == ["in_progress"]


async def test_a_slow_double_click_does_not_complete_what_it_started(shift: StaffPages) -> None:
    doctor = shift.doctor()
    _, (mine,) = await shift.patient(doctor)
    here = await shift.screen(doctor)
    box = await press(here, mine, "Start").bounding_box()
    assert box is not None
    at = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

    await here.mouse.click(*at)
    await expect(row(here, mine)).to_contain_text("In consultation with you")
    await expect(press(here, mine, "Complete")).to_have_attribute("aria-disabled", "false")
    await here.mouse.move(*at)
    await here.mouse.down(click_count=2)
    await here.mouse.up(click_count=2)
    await press(here, mine, "+15 min").click()

    [kept] = await shift.ward.rows("SELECT status FROM patient_trackings WHERE appointment_id = :a", a=mine)
    assert kept["status"] == "in_progress"


async def test_a_key_that_is_held_does_not_complete_what_it_started(shift: StaffPages) -> None:
    doctor = shift.doctor()
    _, (mine,) = await shift.patient(doctor)
    here = await shift.screen(doctor)
    await row(here, mine).wait_for()

    await here.keyboard.press("j")
    await here.keyboard.down("Enter")
    await expect(row(here, mine)).to_contain_text("In consultation with you")
    await expect(press(here, mine, "Complete")).to_have_attribute("aria-disabled", "false")
    # A second `down` without an `up` is what a held key sends.
    await here.keyboard.down("Enter")
    await here.keyboard.up("Enter")
    await press(here, mine, "+15 min").click()

    [kept] = await shift.ward.rows("SELECT status FROM patient_trackings WHERE appointment_id = :a", a=mine)
    assert kept["status"] == "in_progress"


async def test_a_stale_row_is_refused_in_words_and_then_shows_what_is_true(shift: StaffPages) -> None:
    first, second = shift.doctor(), shift.doctor()
    patient, (mine, theirs) = await shift.patient(first, second)
    context = await shift.browser(second)
    await context.route("**/api/events*", lambda route: route.abort())
    there = await context.new_page()
    await there.goto("/worklist")
    await expect(press(there, theirs, "Start")).to_be_visible()
    assert (await shift.hospital.start(first, patient, mine)).status_code == 201

    await press(there, theirs, "Start").click()

    await expect(notices(there)).to_contain_text(f"With Dr. {first} for Cardiology")
    await expect(row(there, theirs)).to_contain_text(f"With Dr. {first}")


async def test_an_expired_session_asks_to_sign_in_and_leads_back_to_where_one_was(shift: StaffPages) -> None:
    doctor = shift.doctor()
    await shift.patient(doctor)
    here = await shift.screen(doctor, "/worklist?status=confirmed#q=doe")
    address = here.url

    await shift.hospital.database.write(
        lambda at: at.execute(update(sessions).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    )

    await here.get_by_text("Your session is over").wait_for()
    await here.get_by_label("Name", exact=True).fill(f"doctor-{doctor}")
    await here.get_by_label("Password").fill(PASSWORD)
    await here.keyboard.press("Enter")
    await is_live(here)
    assert here.url == address
    await expect(here.locator(".row")).to_have_count(1)


async def test_signing_out_ends_the_streams_and_leaves_nothing_of_the_patients(shift: StaffPages) -> None:
    doctor = shift.doctor()
    patient, _ = await shift.patient(doctor)
    here = await shift.screen(doctor)
    await expect(here.get_by_text(f"John Doe{patient}")).to_be_visible()

    await here.get_by_role("button", name="Sign out").click()
    await here.get_by_label("Password").wait_for()

    assert f"Doe{patient}" not in await here.content()
    async with httpx.AsyncClient(base_url=shift.hospital.url) as anyone:
        assert (await anyone.get("/api/session")).status_code == 401
    await here.goto("/worklist")
    await expect(here.get_by_label("Password")).to_be_visible()


async def test_what_changed_while_a_tab_was_out_of_sight_is_there_when_it_comes_back(shift: StaffPages) -> None:
    first, second = shift.doctor(), shift.doctor()
    _, (mine, theirs) = await shift.patient(first, second)
    there, here = await shift.screen(second), await shift.screen(first)
    session = await there.context.new_cdp_session(there)
    await session.send("Page.setWebLifecycleState", {"state": "frozen"})

    await press(here, mine, "Start").click()
    await expect(row(here, mine)).to_contain_text("In consultation with you")
    await session.send("Page.setWebLifecycleState", {"state": "active"})

    async def shown() -> bool:
        return f"With Dr. {first}" in await row(there, theirs).inner_text()

    await until(shown, "the row to tell of what happened while the page slept")


async def test_a_tab_whose_cookie_became_somebody_elses_shows_that_ones_list(shift: StaffPages) -> None:
    first, second = shift.doctor(), shift.doctor()
    mine, _ = await shift.patient(first)
    theirs, _ = await shift.patient(second)
    here = await shift.screen(first, "/worklist?status=confirmed")
    await expect(here.get_by_text(f"John Doe{mine}")).to_be_visible()

    await here.context.request.post("/api/session", data={"username": f"doctor-{second}", "password": PASSWORD})
    await here.evaluate("document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))")

    await expect(here.get_by_text(f"John Doe{theirs}")).to_be_visible()
    await expect(here.get_by_text(f"John Doe{mine}")).to_have_count(0)
    await expect(here.locator(".who")).to_contain_text(f"Dr. {second}")
    await is_live(here)
