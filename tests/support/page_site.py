"""The whole system with its page, and the browsers of the staff who use it."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from playwright.async_api import Browser, BrowserContext, Locator, Page, Route, expect
from sqlalchemy import Connection, insert, update

from patient_visit_engine.storage import accounts
from patient_visit_engine.storage.tables import doctors, patient_trackings
from patient_visit_engine.visit.codes import Role
from tests.support.engine import CARDIOLOGY, Engine
from tests.support.passwords import WEAK_HASH
from tests.support.proxy import Proxy

TIMEOUT_SECONDS = 20.0
PASSWORD = "a password for tests alone"
expect.set_options(timeout=TIMEOUT_SECONDS * 1000)
#: More doctors than the engine's. Each test takes new ones, so that no list shows the patients of another test.
DOCTORS = range(101, 301)


class PageSite:
    """The running system with an account for every doctor, reception, supervisor, administrator and screen in the waiting room."""

    def __init__(self, engine: Engine, browser: Browser) -> None:
        self.engine = engine
        self.browser = browser
        self.doctor_ids = iter(DOCTORS)
        self.patient_ids = count(1001)
        self.appointment_ids = count(50_001)

    async def open(self) -> None:
        password_hash = WEAK_HASH.hash(PASSWORD)

        def write(connection: Connection) -> None:
            connection.execute(insert(doctors), [{"id": doctor, "name": f"Dr. {doctor}"} for doctor in DOCTORS])
            for doctor in DOCTORS:
                name = f"Dr. {doctor}"
                accounts.add_account(connection, f"doctor-{doctor}", password_hash, name, Role.doctor, doctor)
            for role in (Role.reception, Role.supervisor, Role.admin, Role.wall):
                accounts.add_account(connection, role.value, password_hash, role.value.capitalize(), role, None)

        await self.engine.open()
        await self.engine.database.write(write)

    async def query(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        """The rows of an SQL query."""
        return await self.engine.rows(sql, **values)


class StaffPages:
    """The doctors, patients and browsers of one test."""

    def __init__(self, page_site: PageSite) -> None:
        self.page_site = page_site
        self.engine = page_site.engine
        #: Console errors, uncaught errors, and requests to other origins. A test fails when there is one.
        self.browser_errors: list[str] = []
        self.now = datetime.now(UTC)
        self._contexts: list[BrowserContext] = []
        self._proxies: list[Proxy] = []

    def new_doctor(self) -> int:
        """The id of a doctor that no other test uses."""
        return next(self.page_site.doctor_ids)

    async def new_patient(
        self, *doctors: int, prestation: int = CARDIOLOGY, arrived: bool = True
    ) -> tuple[int, list[int]]:
        """Insert a patient with an appointment today with each of these doctors, and check the patient in. Returns all ids."""
        patient = next(self.page_site.patient_ids)
        doctor_by_appointment = {next(self.page_site.appointment_ids): doctor for doctor in doctors}
        await self.engine.admit(patient, doctor_by_appointment, prestation)
        if arrived:
            async with self.engine.staff("reception") as reception:
                answer = await reception.post(f"/api/patients/{patient}/check-in")
            assert answer.status_code == 200
        return patient, list(doctor_by_appointment)

    async def backdate_tracking(self, appointment: int, **minutes: int) -> None:
        """Set times of the appointment's tracking to so many minutes ago, by column name."""
        times = {column: datetime.now(UTC) - timedelta(minutes=ago) for column, ago in minutes.items()}
        statement = update(patient_trackings).where(patient_trackings.c.appointment_id == appointment).values(**times)
        await self.engine.database.write(lambda connection: connection.execute(statement))

    async def start_proxy(self) -> Proxy:
        """A proxy in front of the API. It stops at the end of the test."""
        proxy = Proxy(self.engine.settings.http_port, own_page=False)
        await proxy.start()
        self._proxies.append(proxy)
        return proxy

    async def open_browser(self, user: int | str | None, base: str | None = None, **options: Any) -> BrowserContext:
        """A browser context, signed in as a doctor (by id) or another user (by name). With None it is not signed in."""
        context = await self.page_site.browser.new_context(
            base_url=base or self.engine.url,
            **({"viewport": {"width": 1280, "height": 800}, "locale": "en-GB"} | options),
        )
        self._contexts.append(context)
        context.on("console", lambda message: self._record_error(message.type, message.text))
        context.on("weberror", lambda error: self._record_error("error", str(error.error)))
        context.on("request", lambda request: self._check_origin(request.url, base or self.engine.url))
        context.set_default_timeout(TIMEOUT_SECONDS * 1000)
        if user is not None:
            username = f"doctor-{user}" if isinstance(user, int) else user
            response = await context.request.post("/api/session", data={"username": username, "password": PASSWORD})
            assert response.status == 204
        return context

    async def open_page(self, user: int | str, path: str = "/", base: str | None = None, **options: Any) -> Page:
        """A page in a new browser, signed in, with a live stream and all its rows loaded."""
        return await load_page(await self.open_browser(user, base, **options), path)

    def _record_error(self, kind: str, text: str) -> None:
        # The browser logs these for every failed response and every connection that a test cuts.
        expected = ("Failed to load resource", "net::ERR", "EventSource's response has a MIME type")
        if kind == "error" and not any(words in text for words in expected):
            self.browser_errors.append(text)

    def _check_origin(self, url: str, base: str) -> None:
        if not url.startswith(base):
            self.browser_errors.append(f"request to another origin: {url}")

    async def close(self) -> None:
        for context in self._contexts:
            await context.close()
        for proxy in self._proxies:
            await proxy.stop()


async def load_page(browser: BrowserContext, path: str) -> Page:
    """A page in this browser with a live stream and all its rows loaded."""
    page = await browser.new_page()
    await page.goto(path)
    # An administrator gets no events.
    if not path.startswith("/admin"):
        await wait_until_live(page)
    await page.locator("h1").wait_for()
    await expect(page.locator(".skeleton")).to_have_count(0)
    return page


def row(page: Page, appointment: int) -> Locator:
    """The worklist row of an appointment."""
    return page.locator(f"[data-appointment='{appointment}']")


def row_button(page: Page, appointment: int, text: str) -> Locator:
    """The button with this text in the row of an appointment."""
    return row(page, appointment).get_by_text(text, exact=True)


async def watch_new_buttons(page: Page, selector: str) -> None:
    """Note whether each button is dead when it appears. `was_dead_at_first` says it of the first."""
    await page.evaluate(
        """selector => void (window.newButtons = [], new MutationObserver(() => {
            for (const button of document.querySelectorAll(selector)) window.newButtons.push(button.ariaDisabled);
        }).observe(document.body, { childList: true, subtree: true }))""",
        selector,
    )


async def was_dead_at_first(page: Page) -> bool:
    disabled: list[str] = await page.evaluate("window.newButtons")
    return disabled[0] == "true"


async def press_next_at(page: Page, place: Locator, present: Locator) -> None:
    """Press at once what replaces `present` at its middle, when the content of `place` changes. `was_pressed` waits for it."""
    box = await present.bounding_box()
    assert box is not None
    middle_of_box = [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2]
    await present.evaluate("element => void (window.replaced = element)")
    await place.evaluate(
        """(place, [x, y]) => void new MutationObserver((_, watching) => {
            const next = document.elementFromPoint(x, y)?.closest("button, [role=menuitem]");
            if (!next || (next.isConnected && next === window.replaced)) return;
            watching.disconnect();
            next.click();
            document.documentElement.toggleAttribute("data-pressed", true);
        }).observe(place, { attributes: true, childList: true, subtree: true })""",
        middle_of_box,
    )


async def was_pressed(page: Page) -> None:
    """Wait until `press_next_at` has pressed."""
    await page.locator("html[data-pressed]").wait_for()


async def middle(button: Locator) -> tuple[float, float]:
    """The place in the window of the middle of a button that can be pressed."""
    # Until the browser has drawn a row, a press at the button's place goes to the row (`content-visibility`).
    await button.click(trial=True)
    box = await button.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def card(page: Page, patient: int) -> Locator:
    """The first board card of a patient. A patient who waits for two doctors has two."""
    return page.locator(f"[data-patient='{patient}']").first


def isolated_name(patient: int) -> str:
    """The name of a patient of `new_patient` in a sentence, between the characters that isolate its direction."""
    return f"\u2068John DOE{patient}\u2069"


async def complete(page: Page, appointment: int) -> None:
    """Complete a consultation that has just begun, which the page asks about."""
    await row_button(page, appointment, "Complete").click()
    await page.get_by_role("alertdialog").get_by_role("button", name="Complete", exact=True).click()


async def open_menu(page: Page, appointment: int) -> None:
    """Open the menu of the appointment's row."""
    await row(page, appointment).get_by_role("button", name="More for").click()


async def choose_in_account(page: Page, choice: str) -> None:
    """Choose from the menu of the account."""
    await page.locator("header .account").click()
    await page.get_by_role("menu").get_by_text(choice, exact=True).click()


def warnings(page: Page) -> Locator:
    """The notices that warn."""
    return page.locator("[data-sonner-toast][data-type=warning]")


def notices(page: Page) -> Locator:
    """All notices on the page."""
    return page.locator("[data-sonner-toast]")


async def sign_in(page: Page, doctor: int) -> None:
    """Fill in the sign-in page as this doctor and wait until the stream is live."""
    await page.get_by_label("Name", exact=True).fill(f"doctor-{doctor}")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await wait_until_live(page)


async def reply_unavailable(route: Route) -> None:
    """Give a 503 problem instead of the API's response."""
    await route.fulfill(
        status=503, headers={"Retry-After": "1"}, json={"code": "unavailable", "title": "", "detail": ""}
    )


async def wait_until_live(page: Page) -> None:
    await page.locator(".light[data-state=live]").wait_for()


async def wait_until_offline(page: Page) -> None:
    await page.locator(".light[data-state=offline]").wait_for()
