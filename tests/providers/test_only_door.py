"""Only the pool's wire opens connections: nothing else in the package imports what can."""

import ast
from pathlib import Path

import labelwright

ROOT = Path(labelwright.__file__).parent
CAN_CONNECT = {
    "aiohttp", "httpx", "requests", "urllib.request", "urllib3", "http.client", "ftplib", "smtplib", "telnetlib",
    "socketserver", "socket", "asyncio.streams", "openai", "xmlrpc.client",
}  # fmt: skip
ALLOWED = {
    # Looks names up for the pool.
    "providers/privacy.py": {"aiohttp", "socket"},
    "providers/wire.py": {"aiohttp"},
    # Names this machine; opens nothing.
    "flows/jobs.py": {"socket"},
    # Listens.
    "cli/commands/start.py": {"socket"},
}


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None and node.level == 0:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {known for name in found for known in CAN_CONNECT if name == known or name.startswith(known + ".")}


def test_nothing_but_the_wire_can_open_a_connection() -> None:
    found = {
        str(path.relative_to(ROOT)): imported(path)
        for path in ROOT.rglob("*.py")
        # The Python client talks to a Labelwright server for its user; it is no part of the server.
        if path.relative_to(ROOT).parts[0] not in ("client", "devtools")
    }
    unexpected = {name: used - ALLOWED.get(name, set()) for name, used in found.items()}
    assert {name: used for name, used in unexpected.items() if used} == {}
    assert found["providers/wire.py"] == {"aiohttp"}
