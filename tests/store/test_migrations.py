"""Migrations make exactly the tables of the code, keep data, and refuse what they do not know."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from labelwright.core.errors import LabelwrightError
from labelwright.store.db import Store
from labelwright.store.migrate import current_revision, differences
from labelwright.workbench import Workbench, open_workbench
from tests.factories import add_person, add_project


def test_an_empty_database_gets_exactly_the_tables_of_the_code(database_url: str) -> None:
    store = Store(database_url)
    assert current_revision(store) is None
    store.migrate()
    assert differences(store) == []
    store.migrate()  # nothing to do the second time
    store.close()


def test_a_database_of_a_newer_version_is_refused_and_left_alone(workbench: Workbench) -> None:
    with workbench.store.write() as tx:
        tx.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(LabelwrightError, match="9999"):
        workbench.store.migrate()
    assert current_revision(workbench.store) == "9999"


def test_what_was_stored_is_there_after_opening_again(workbench: Workbench) -> None:
    project = add_project(workbench, add_person(workbench))
    again = open_workbench(workbench.settings)
    from labelwright.store import project as projects

    with again.store.read() as tx:
        assert projects.get(tx, project.id) == project
    again.close()


def test_a_write_that_raises_leaves_nothing(workbench: Workbench) -> None:
    from labelwright.store import people

    ana = add_person(workbench)

    def rename_and_fail() -> None:
        with workbench.store.write() as tx:
            tx.execute(sa.text("UPDATE \"user\" SET name = 'gone'"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        rename_and_fail()
    with workbench.store.read() as tx:
        found = people.by_id(tx, ana.user_id)
    assert found is not None
    assert found.name == "ana"


def test_sqlite_is_durable_and_readers_do_not_block(sqlite_workbench: Workbench, tmp_path: Path) -> None:
    with sqlite_workbench.store.read() as tx:
        assert tx.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert tx.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert tx.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
        count = "SELECT count(*) FROM sqlite_master WHERE name = 'probe'"
        assert tx.exec_driver_sql(count).scalar() == 0
        with sqlite_workbench.store.write() as other:
            other.exec_driver_sql("CREATE TABLE probe (x)")
        # A snapshot: what was committed meanwhile is not seen.
        assert tx.exec_driver_sql(count).scalar() == 0
