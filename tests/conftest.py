"""Fixtures for all tests: the shared real data, both databases, and a workbench over each."""

import os
import shutil
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
    for item in items:
        # What a module of real data measures once, only one process should measure.
        if item.path.parent == ROOT / "tests" / "real" and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


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
    """A fresh database without any table; each test that uses this runs on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'labelwright.db'}"
    address, name = request.getfixturevalue("postgres_address"), f"test_{uuid.uuid4().hex}"
    _create_database(address, name)
    return f"postgresql://labelwright@{address}/{name}"


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file that all migrations ran on: copying it is many times faster than running them for every test."""
    home = tmp_path_factory.mktemp("migrated")
    open_workbench(Settings.read(home, {}, reserve_mb=0)).close()
    return home / "labelwright.db"


@pytest.fixture(scope="session")
def migrated_postgres(postgres_address: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Name of a PostgreSQL database that all migrations ran on, as a template of others."""
    name = f"migrated_{uuid.uuid4().hex}"
    _create_database(postgres_address, name)
    url = f"postgresql://labelwright@{postgres_address}/{name}"
    home = tmp_path_factory.mktemp("migrated")
    open_workbench(Settings.read(home, {}, database_url=url, reserve_mb=0)).close()
    return name


def _create_database(address: str, name: str, template: str = "template1") -> None:
    import psycopg

    with psycopg.connect(f"postgresql://labelwright@{address}/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())


@pytest.fixture(params=["sqlite", "postgres"])
def workbench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workbench]:
    """A workbench over a fresh database of each kind."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_workbench")
        return
    address, name = request.getfixturevalue("postgres_address"), f"test_{uuid.uuid4().hex}"
    _create_database(address, name, request.getfixturevalue("migrated_postgres"))
    url = f"postgresql://labelwright@{address}/{name}"
    bench = open_workbench(Settings.read(tmp_path / "home", {}, database_url=url, reserve_mb=0))
    yield bench
    bench.close()


@pytest.fixture
def sqlite_workbench(migrated: Path, tmp_path: Path) -> Iterator[Workbench]:
    """A workbench over SQLite, for tests in which the database does not matter."""
    home = tmp_path / "home"
    home.mkdir()
    shutil.copyfile(migrated, home / migrated.name)
    bench = open_workbench(Settings.read(home, {}, reserve_mb=0))
    yield bench
    bench.close()
