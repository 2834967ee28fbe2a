"""Writes the generated reference: `python -m labelwright.devtools.reference [--check]` makes docs/reference/openapi.json."""

import json
import sys
import tempfile
from pathlib import Path


def openapi() -> str:
    """The OpenAPI description of the HTTP API as JSON."""
    from labelwright.server.app import create_app
    from labelwright.settings import Settings
    from labelwright.workbench import open_workbench

    with tempfile.TemporaryDirectory() as folder:
        bench = open_workbench(Settings.read(Path(folder), {}))
        try:
            return json.dumps(create_app(bench, workers=0).openapi(), indent=1, sort_keys=True) + "\n"
        finally:
            bench.close()


def main() -> int:
    """Write the file, or with `--check` say whether it is up to date."""
    target = Path("docs/reference/openapi.json")
    new = openapi()
    if "--check" in sys.argv:
        if not target.exists() or target.read_text(encoding="utf-8") != new:
            print(f"{target} is out of date: run `make reference`", file=sys.stderr)
            return 1
        return 0
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
