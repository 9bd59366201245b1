"""An administrator manages accounts, doctors with their rooms, and services. Each person changes the own password."""

import re

import pytest
from playwright.async_api import BrowserContext, Locator, Page, Route, expect

from tests.support.page_site import PASSWORD, StaffPages, load_page, notices


async def open_administration(staff: StaffPages, part: str = "") -> Page:
    return await staff.open_page("admin", f"/admin?part={part}")


def record(page: Page, name: str) -> Locator:
    """The entry with this name."""
    return page.locator(".record").filter(has=page.get_by_text(name, exact=True).first)


async def fill_dialog(page: Page, fields: dict[str, str]) -> None:
    """Fill the fields of the open dialog by the beginning of their labels, and save."""
    dialog = page.get_by_role("dialog")
    for label, value in fields.items():
        field = dialog.get_by_label(re.compile(f"^{label}"))
        if await field.evaluate("field => field.tagName") == "SELECT":
            await field.select_option(label=value)
        else:
            await field.fill(value)
    await dialog.locator("button[type=submit]").click()


async def sign_in_status(browser: BrowserContext, username: str, password: str) -> int:
    response = await browser.request.post("/api/session", data={"username": username, "password": password})
    return response.status


@pytest.fixture
def username(staff: StaffPages) -> str:
    """A sign-in name that no other test uses."""
    return f"clerk-{staff.new_doctor()}"


async def test_drawn_password_is_shown_once(staff: StaffPages, username: str) -> None:
    page = await staff.open_page("admin", "/admin")
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])

    await page.get_by_role("button", name="Add account").click()
    await fill_dialog(page, {"Sign-in name": username, "Name": "New Clerk", "Role": "Reception"})
    await page.get_by_role("button", name="Copy password").click()
    await expect(page.get_by_role("dialog").get_by_role("status")).to_have_text("Copied")
    await page.keyboard.press("Escape")
    password = await page.get_by_label("Password", exact=True).input_value()
    await page.get_by_role("button", name="I have noted it").click()

    assert await page.evaluate("navigator.clipboard.readText()") == password
    assert password not in await page.content()
    assert await sign_in_status(await staff.open_browser(None), username, password) == 204


async def test_repeat_after_lost_answer_adds_one_account(staff: StaffPages, username: str) -> None:
    page = await open_administration(staff)

    async def lose_answer(route: Route) -> None:
        await route.fetch()
        await route.abort()

    await page.route("**/api/accounts", lose_answer, times=1)
    await page.get_by_role("button", name="Add account").click()
    await fill_dialog(page, {"Sign-in name": username, "Name": "Lost Clerk", "Role": "Reception"})

    await expect(notices(page)).to_contain_text("the password was lost on the way")
    await page.get_by_placeholder("Filter this list").fill(username)
    await expect(page.locator(".record")).to_have_count(1)


async def test_revoking_asks_first_and_can_be_undone(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    page = await open_administration(staff)
    await page.get_by_placeholder("Filter this list").fill(f"doctor-{doctor}")
    entry, stranger = page.locator(".record"), await staff.open_browser(None)

    await entry.get_by_role("button", name=f"Revoke Dr. {doctor}").click()
    await page.get_by_role("button", name="Cancel").click()
    await expect(entry.get_by_role("button", name="Revoke")).to_be_visible()
    assert await sign_in_status(stranger, f"doctor-{doctor}", PASSWORD) == 204
    await entry.get_by_role("button", name=f"Revoke Dr. {doctor}").click()
    await page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    await expect(entry).to_contain_text("Revoked")
    assert await sign_in_status(stranger, f"doctor-{doctor}", PASSWORD) == 401
    await entry.get_by_role("button", name="Restore").click()
    await expect(entry).not_to_contain_text("Revoked")
    assert await sign_in_status(stranger, f"doctor-{doctor}", PASSWORD) == 204


async def test_admin_cannot_revoke_own_account_by_mistake(staff: StaffPages) -> None:
    page = await open_administration(staff)

    await page.get_by_placeholder("Filter this list").fill("admin")
    await expect(page.locator(".record").get_by_role("button")).to_have_text(["Change"])
    await page.locator(".record").get_by_role("button", name="Change").click()
    await fill_dialog(page, {"Role": "Reception"})
    await expect(page.get_by_role("alert")).to_contain_text("This is the last administrator")


async def test_new_doctor_gets_room_account_and_worklist(staff: StaffPages, username: str) -> None:
    name = f"Dr. {username}"
    page = await open_administration(staff, "services")
    await page.get_by_role("button", name="Add service").click()
    await fill_dialog(page, {"Name": f"Service of {username}", "Expected minutes": "35"})
    await expect(record(page, f"Service of {username}")).to_contain_text("35 min · only one at a time")

    await page.get_by_role("tab", name="Doctors and rooms").click()
    await page.get_by_role("button", name="Add doctor").click()
    await fill_dialog(page, {"Name": name, "Usual room": "B 12"})
    await record(page, name).get_by_role("button", name="Change").click()
    await fill_dialog(page, {"Usual room": "C 3"})
    await expect(record(page, name)).to_contain_text("Room C 3")
    await page.get_by_role("tab", name="Accounts").click()
    await page.get_by_role("button", name="Add account").click()
    await page.get_by_role("dialog").get_by_label("Role").select_option("doctor")
    await fill_dialog(page, {"Sign-in name": username, "Name": name, "Doctor": name, "Password": PASSWORD})
    await expect(notices(page)).to_contain_text("is added")

    browser = await staff.open_browser(None)
    assert await sign_in_status(browser, username, PASSWORD) == 204
    await expect((await load_page(browser, "/")).get_by_text("No appointments for this day")).to_be_visible()


async def test_empty_hospital_shows_first_steps(staff: StaffPages) -> None:
    browser = await staff.open_browser("admin")
    page = await browser.new_page()
    empty = {"items": [], "page": 1, "page_size": 50, "total": 0, "more": False}
    await page.route("**/api/doctors?*", lambda route: route.fulfill(json=empty))
    await page.route("**/api/prestations?*", lambda route: route.fulfill(json=empty))

    await page.goto("/")
    steps = page.get_by_role("region", name="Until the first patient can come")
    await expect(steps).to_contain_text(f"time zone of this hospital is {staff.engine.settings.timezone}")
    await expect(steps.locator(".done")).to_have_count(1)
    await steps.get_by_role("button", name="Doctors and rooms").click()
    await expect(page.get_by_text("There are no doctors yet.")).to_be_visible()
    await page.unroute("**/api/doctors?*")
    await page.unroute("**/api/prestations?*")
    await page.reload()
    await page.locator(".record").first.wait_for()
    await expect(steps).to_have_count(0)


async def test_admin_is_not_led_to_the_patients(staff: StaffPages) -> None:
    """The board and the wall screen are for other roles."""
    page = await staff.open_page("admin", "/admin")
    await page.locator("header .account").click()

    await expect(page.get_by_role("menuitem", name="Keys")).to_be_visible()
    await expect(page.get_by_role("menuitem", name="Wall screen")).to_have_count(0)


async def test_person_changes_own_password(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    page = await staff.open_page(doctor)
    await page.get_by_role("button", name="Account of").click()
    await page.get_by_role("menuitem", name="Change your password").click()
    dialog = page.get_by_role("dialog")
    old, new, repeat = (dialog.locator("input[type=password]").nth(place) for place in range(3))
    go = dialog.get_by_role("button", name="Change password")

    await old.fill("a wrong password")
    await new.fill("a new password")
    await repeat.fill("another new password")
    await go.click()
    assert await repeat.evaluate("field => field.validationMessage") == "The two new passwords differ."
    await repeat.fill("a new password")
    await go.click()
    await expect(dialog.get_by_role("alert")).to_have_text("The old password is wrong")
    await old.fill(PASSWORD)
    await go.click()
    await expect(notices(page)).to_contain_text("Your password is changed")

    stranger = await staff.open_browser(None)
    assert await sign_in_status(stranger, f"doctor-{doctor}", PASSWORD) == 401
    assert await sign_in_status(stranger, f"doctor-{doctor}", "a new password") == 204
