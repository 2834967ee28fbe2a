"""Opens the database and hands out transactions; hides what differs between SQLite and PostgreSQL.

SQLite runs in WAL mode with `synchronous=FULL`: what was acknowledged survives a power cut. Writers of one process
queue up in arrival order, so a long import made of short transactions never starves a submit.
"""

import contextlib
import functools
import sqlite3
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine

from labelwright.core.errors import LabelwrightError, StorageFull

Tx = Connection
"""A transaction. Everything done through it is committed together or not at all."""


class _Turnstile:
    """A lock that is granted in order of arrival."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._held = False

    def __enter__(self) -> None:
        with self._mutex:
            if not self._held:
                self._held = True
                return
            turn = threading.Event()
            self._waiting.append(turn)
        turn.wait()

    def __exit__(self, *_: object) -> None:
        with self._mutex:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._held = False


class Store:
    """A database by URL, with one way to read and one way to write."""

    def __init__(self, url: str) -> None:
        """Open (not create) the database.

        Args:
            url: `sqlite:////absolute/path.db` or `postgresql://user:password@host/name`.

        Raises:
            LabelwrightError: The PostgreSQL driver is not installed.
        """
        if url.startswith(("postgresql://", "postgres://")):
            url = "postgresql+psycopg://" + url.split("://", 1)[1]
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        try:
            self.engine = _sqlite_engine(url) if self.is_sqlite else _postgres_engine(url)
        except ModuleNotFoundError as error:
            raise LabelwrightError(
                "no_driver", f"no driver for {url.split(':', 1)[0]}", "pip install 'labelwright[postgres]'"
            ) from error
        self._turnstile = _Turnstile()

    @contextlib.contextmanager
    def read(self) -> Iterator[Tx]:
        """A transaction that sees one snapshot and writes nothing."""
        with self.engine.connect() as connection:
            if not self.is_sqlite:
                connection = connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
            with connection.begin():
                yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[Tx]:
        """A transaction that commits when the block ends and rolls back when it raises.

        Raises:
            StorageFull: The disk has no room; nothing was written.
        """
        gate: contextlib.AbstractContextManager[None] = (
            self._turnstile if self.is_sqlite else contextlib.nullcontext()
        )
        with gate, self.engine.connect() as connection:
            if self.is_sqlite:
                connection = connection.execution_options(labelwright_write=True)
            try:
                with connection.begin():
                    yield connection
            except sa.exc.DBAPIError as error:
                if _is_full(error):
                    raise StorageFull(
                        "disk_full", "the disk is full; nothing was written", "free some space and try again"
                    ) from error
                raise

    def migrate(self) -> None:
        """Bring the tables to this version of the software; makes them in an empty database."""
        from labelwright.store.migrate import migrate

        migrate(self)

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def sqlite_path(url: str) -> Path | None:
    """The file of an SQLite URL; None for any other database."""
    return Path(url.split("///", 1)[1]) if url.startswith("sqlite:///") else None


def _sqlite_engine(url: str) -> Engine:
    engine = sa.create_engine(url, connect_args={"timeout": 30, "check_same_thread": False}, pool_size=32)

    @sa_event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # the driver must not begin by itself: we say IMMEDIATE for writers
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000",
                       "temp_store=MEMORY", "cache_size=-65536", "mmap_size=268435456"):  # fmt: skip
            connection.execute(f"PRAGMA {pragma}")

    @sa_event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("labelwright_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgres_engine(url: str) -> Engine:
    return sa.create_engine(url, pool_size=16, max_overflow=32, pool_pre_ping=True)


def _is_full(error: sa.exc.DBAPIError) -> bool:
    cause = error.orig
    if isinstance(cause, sqlite3.OperationalError):
        return "database or disk is full" in str(cause)
    return getattr(cause, "sqlstate", None) in ("53100", "53000")


def upsert(
    tx: Tx,
    table: sa.Table,
    rows: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    *,
    key: Sequence[str],
    add: Sequence[str] = (),
    replace: Sequence[str] = (),
) -> None:
    """Insert rows; where `key` exists already, add to the columns `add` and replace the columns `replace`.

    With neither, existing rows are left alone.
    """
    if rows:
        clause = _upsert(table, tx.dialect.name == "postgresql", tuple(key), tuple(add), tuple(replace))
        tx.execute(clause, cast(Any, rows))


@functools.cache
def _upsert(
    table: sa.Table, is_postgres: bool, key: tuple[str, ...], add: tuple[str, ...], replace: tuple[str, ...]
) -> sa.Insert:
    # Building the statement costs more than running it, and there are only a handful of them.
    insert = postgresql.insert(table) if is_postgres else sqlite.insert(table)
    changes: dict[str, Any] = {name: table.c[name] + insert.excluded[name] for name in add}
    changes |= {name: insert.excluded[name] for name in replace}
    if changes:
        return insert.on_conflict_do_update(index_elements=list(key), set_=changes)
    return insert.on_conflict_do_nothing(index_elements=list(key))


def lock_project(tx: Tx, project_id: int, purpose: str) -> None:
    """Make transactions with the same purpose on the same project take turns (SQLite's writers do so anyway)."""
    if tx.dialect.name == "postgresql":
        tx.execute(
            sa.text("SELECT pg_advisory_xact_lock(:a, hashtext(:b))"), {"a": project_id % 2**31, "b": purpose}
        )


def inserted_id(result: sa.CursorResult[Any]) -> int:
    """The id the database gave to the inserted row."""
    key = result.inserted_primary_key
    assert key is not None
    return int(key[0])
