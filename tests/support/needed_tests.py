"""In continuous integration a run fails when it skips a test whose program could be installed."""

import os

import pytest

#: Set by `.ci/run`, which installs what the tests need.
VARIABLE = "TESTS_MUST_RUN"
#: Parts of the reasons that no installation removes: data of others, and rights of the account.
UNAVOIDABLE = (
    "set VISIT_TEST_DATA",
    "this account cannot mount",
    "network namespaces need root",
    "this machine does not allow network namespaces",
)


class NeededTests:
    """The plugin of a run in which no test may be missing."""

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        # The processes of pytest-xdist have no reporter that knows all tests.
        if reporter is None or hasattr(session.config, "workerinput"):
            return
        missing = [reason for report in reporter.stats.get("skipped", ()) if (reason := _reason(report)) is not None]
        if missing:
            reporter.write_line(f"\n{VARIABLE}: {len(missing)} tests were skipped, for example: {missing[0]}", red=True)
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str | None:
    """Why the test was skipped. None when this could not be avoided."""
    text = str(report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longrepr)
    return None if any(part in text for part in UNAVOIDABLE) else text


def must_run() -> bool:
    """Whether skipped tests fail the run."""
    return bool(os.environ.get(VARIABLE))
