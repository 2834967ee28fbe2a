"""The queue is one walk of an index, whatever the size of the project."""

import pytest
import sqlalchemy as sa

from labelwright.core.queue import Stream
from labelwright.store import work
from labelwright.workbench import Workbench


@pytest.mark.parametrize("several", [1, 2])
@pytest.mark.parametrize("stream", ["uncertain", "audit", "sample"])
def test_no_stream_sorts_the_project(sqlite_workbench: Workbench, stream: Stream, several: int) -> None:
    def explain(_c: object, _cursor: object, sql: str, parameters: object, *_: object) -> tuple[str, object]:
        return f"EXPLAIN QUERY PLAN {sql}", parameters

    engine = sqlite_workbench.store.engine
    with sqlite_workbench.store.read() as tx:
        sa.event.listen(engine, "before_cursor_execute", explain, retval=True)
        try:
            steps = work.next_in(
                tx, 1, 1, stream, people_per_asset=several, audit_floor=0.5, now=sqlite_workbench.now(),
                leave_out=[], limit=5,
            )  # fmt: skip
        finally:
            sa.event.remove(engine, "before_cursor_execute", explain)
    plan = [step[3] for step in steps]
    assert any("ix_asset_queue" in step or "ix_asset_shuffle" in step for step in plan), plan
    assert not any("TEMP B-TREE" in step for step in plan), plan
