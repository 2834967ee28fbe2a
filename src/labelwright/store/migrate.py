"""Runs the migrations in this package; forward only, each in one transaction, with a copy of an SQLite file made before.

Hides Alembic.
"""

import sqlite3
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from labelwright.core.errors import LabelwrightError
from labelwright.store.db import Store, sqlite_path


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def current_revision(store: Store) -> str | None:
    """The revision of the database; None for an empty one."""
    with store.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def migrate(store: Store) -> None:
    """Upgrade to the newest revision.

    Raises:
        LabelwrightError: The database was made by a newer version of the software.
    """
    config = _config()
    scripts = ScriptDirectory.from_config(config)
    head = scripts.get_current_head()
    path = sqlite_path(store.url)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    current = current_revision(store)
    if current == head:
        return
    if current is not None and current not in {script.revision for script in scripts.walk_revisions()}:
        raise LabelwrightError(
            "newer_database",
            f"the database is at revision {current}, which this version of Labelwright does not know",
            "install the version that wrote it, or a newer one",
        )
    if path is not None and current is not None:
        copy = path.with_name(f"{path.name}.before-{head}")
        if not copy.exists():
            with sqlite3.connect(path) as connection:
                connection.execute("VACUUM INTO ?", (str(copy),))
    with store.write() as tx:
        config.attributes["connection"] = tx
        command.upgrade(config, "head")


def differences(store: Store) -> list[object]:
    """What differs between the database and the tables in the code; empty when they agree."""
    from alembic.autogenerate import compare_metadata

    from labelwright.store.tables import metadata

    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        found: list[object] = compare_metadata(context, metadata)
    return found
