"""Fixtures for all tests: the shared real data, both databases, and a workbench over each."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from labelwright.settings import Settings
from labelwright.workbench import Workbench, open_workbench
from tests import postgres
from tests.endpoints.fixtures import pool, scripted, tiny_llama_url

__all__ = ["pool", "scripted", "tiny_llama_url"]

# A law does not fail because the machine is busy.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")

ROOT = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests with a browser run last: once it is open, Playwright's event loop stays in this thread, and no other can start."""
    items.sort(key=lambda item: "browser" in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def shared_folder() -> Path:
    """The folder with real data (`LABELWRIGHT_DATA`, default: `shared` beside the checkout)."""
    folder = Path(os.environ.get("LABELWRIGHT_DATA", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"no real data: {folder / 'data'} does not exist; set LABELWRIGHT_DATA")
    return folder


@pytest.fixture(scope="session")
def postgres_address() -> Iterator[str]:
    """`host:port` of a PostgreSQL server of our own."""
    if postgres.find_binaries() is None:
        if os.environ.get("CI"):
            pytest.fail("no PostgreSQL server binaries: install the package `postgresql`")
        pytest.skip("no PostgreSQL server binaries on this machine")
    with postgres.server() as address:
        yield address


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh, empty database; each test that uses this runs on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'labelwright.db'}"
    import psycopg

    address = request.getfixturevalue("postgres_address")
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(f"postgresql://labelwright@{address}/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    return f"postgresql://labelwright@{address}/{name}"


@pytest.fixture
def workbench(database_url: str, tmp_path: Path) -> Iterator[Workbench]:
    """A workbench over a fresh database of each kind."""
    bench = open_workbench(Settings.read(tmp_path / "home", {}, database_url=database_url, reserve_mb=0))
    yield bench
    bench.close()


@pytest.fixture
def sqlite_workbench(tmp_path: Path) -> Iterator[Workbench]:
    """A workbench over SQLite, for tests in which the database does not matter."""
    bench = open_workbench(Settings.read(tmp_path / "home", {}, reserve_mb=0))
    yield bench
    bench.close()
