"""What the tests of the documentation share: one page at a time."""

from pathlib import Path

import pytest

from tests.support.pages import PAGES


@pytest.fixture(params=PAGES, ids=lambda page: page.name)
def page(request: pytest.FixtureRequest) -> Path:
    """Each page in its turn."""
    found: Path = request.param
    return found


@pytest.fixture
def page_text(page: Path) -> str:
    return page.read_text()
