"""Where this installation keeps things and how it listens; read once from the environment and the command line."""

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from labelwright.core.value import Value


def default_home() -> Path:
    """The data folder: `LABELWRIGHT_HOME`, else `~/.labelwright`."""
    return Path(os.environ.get("LABELWRIGHT_HOME") or Path.home() / ".labelwright").expanduser()


class Settings(Value):
    """How one installation runs.

    Attributes:
        home: Folder of the SQLite file, blobs, and the key file.
        database_url: `sqlite:///…` or `postgresql://…`.
        host: Address to listen on.
        port: TCP port; 0 takes a free one.
        host_names: Names the server answers to besides loopback (Host header check).
        behind_tls: A proxy in front ends TLS; cookies are then marked Secure.
        workers: Background threads in this process; 0 leaves jobs to `labelwright worker`.
        reserve_mb: Imports stop when less disk space than this is left, so that submits still work.
        max_megapixels: Images that claim to be larger are refused before they are decoded.
        cache_mb: Size of the cache of models' replies; 0 turns it off.
    """

    home: Path
    database_url: str
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65_535)
    host_names: tuple[str, ...] = ()
    behind_tls: bool = False
    workers: int = Field(default=2, ge=0, le=64)
    reserve_mb: int = Field(default=200, ge=0)
    max_megapixels: int = Field(default=400, ge=1, le=4_000)
    cache_mb: int = Field(default=500, ge=0, le=1_000_000)

    @classmethod
    def read(
        cls, home: Path | None = None, environ: Mapping[str, str] = os.environ, **given: object
    ) -> "Settings":
        """Settings from arguments first, then `LABELWRIGHT_*` variables, then defaults."""
        home = (home or default_home()).resolve()
        values: dict[str, object] = {
            "home": home,
            "database_url": environ.get("LABELWRIGHT_DATABASE_URL") or f"sqlite:///{home / 'labelwright.db'}",
        }
        for name in ("host", "port", "workers", "reserve_mb", "cache_mb", "max_megapixels", "behind_tls"):
            if environ.get(f"LABELWRIGHT_{name.upper()}"):
                values[name] = environ[f"LABELWRIGHT_{name.upper()}"]
        if environ.get("LABELWRIGHT_HOST_NAMES"):
            values["host_names"] = tuple(environ["LABELWRIGHT_HOST_NAMES"].replace(",", " ").split())
        values |= {name: value for name, value in given.items() if value is not None}
        return cls.model_validate(values)
