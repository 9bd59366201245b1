"""Starts the Chromium that is installed on this machine, for tests, benchmarks and screenshots."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, async_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
#: Each window loads these parts of Chromium's own address bar, although no one sees it. They cost more than a page of ours.
ADDRESS_BAR_FEATURES = ("PreloadTopChromeWebUI", "WebUIOmniboxAimPopup", "WebUIOmniboxPopup")
#: The features that Playwright disables. Chromium reads only the last `--disable-features`, so ours must repeat them.
PLAYWRIGHT_FEATURES = (
    "AimEnabled",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsFirstBalancedModeAutoEnable",
    "HttpsUpgrades",
    "LensOverlay",
    "MediaRouter",
    "NetworkTimeServiceQuerying",
    "OptimizationHints",
    "PaintHolding",
    "PreconnectToSearch",
    "ThirdPartyStoragePartitioning",
)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    f"--disable-features={','.join(PLAYWRIGHT_FEATURES + ADDRESS_BAR_FEATURES)}",
]
CHROMIUM_MISSING = "Chromium: not found on the PATH"


def find_chromium() -> str | None:
    """The path of the installed Chromium. None when there is no Chromium on the PATH."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@asynccontextmanager
async def launch_chromium() -> AsyncIterator[Browser]:
    """Start a browser and close it at the end. Raises SystemExit when Chromium is not installed."""
    path = find_chromium()
    if path is None:
        raise SystemExit(CHROMIUM_MISSING)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            yield browser
        finally:
            await browser.close()
