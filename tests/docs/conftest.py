"""Fixtures of the documentation tests: one page at a time."""

from pathlib import Path

import pytest

from tests.support.pages import PAGES


@pytest.fixture(params=PAGES, ids=lambda page: page.name)
def page(request: pytest.FixtureRequest) -> Path:
    """The path of one page; a test runs once for each page."""
    path: Path = request.param
    return path


@pytest.fixture
def page_text(page: Path) -> str:
    return page.read_text()
