"""The table of the audit's violations in docs/operations.md is complete."""

import re
from pathlib import Path

from patient_visit_engine.storage import upkeep

PAGE = Path(__file__).parent.parent.parent / "docs" / "operations.md"
#: The code is the first argument, or comes from the tuples of a loop.
REPORTED = re.compile(r'add_violation\(\s*"([a-z_]+)"|\("([a-z_]+)", TRACKING\.')


def test_each_violation_is_in_the_table() -> None:
    sources = [path.read_text() for path in Path(upkeep.__path__[0]).glob("audit*.py")]
    codes = {code for source in sources for match in REPORTED.findall(source) for code in match if code}
    page = PAGE.read_text()
    table = page[page.index("| violation | meaning |") :].split("\n\n", 1)[0]

    assert set(re.findall(r"`([a-z_]+)`", table)) == codes
    assert "overlapping_consultations" in codes
