"""Fills and reads the data of a served workbench beside its server, as another process would."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from labelwright.core.access import Actor
from labelwright.core.answer import Answers
from labelwright.core.ontology import Ontology
from labelwright.core.project import Project, ProjectSettings
from labelwright.flows import people
from labelwright.settings import Settings
from labelwright.store import work
from labelwright.workbench import Workbench, open_workbench
from tests import factories
from tests.journeys.conftest import Served

QUIET = ProjectSettings(order="arrival", learn_every=0)
"""Texts come in the order they were added, and nothing is learned meanwhile."""


class House:
    """The data of a served workbench; its first person is the one who is signed in."""

    def __init__(self, served: Served) -> None:
        self.served = served
        with self.bench() as bench:
            person = people.first_user(bench)
        assert person is not None
        self.person: Actor = person

    @property
    def address(self) -> str:
        """Where the server answers."""
        return self.served.address

    @contextmanager
    def bench(self) -> Iterator[Workbench]:
        """The same data, without the server."""
        bench = open_workbench(Settings.read(self.served.home, {}, reserve_mb=0))
        try:
            yield bench
        finally:
            bench.close()

    def add_project(
        self,
        texts: Sequence[str],
        ontology: Ontology = factories.SENTIMENT,
        settings: ProjectSettings = QUIET,
    ) -> tuple[Project, list[int]]:
        """A project with these texts; returns the ids of the assets too."""
        with self.bench() as bench:
            project = factories.add_project(bench, self.person, ontology, settings)
            return project, factories.add_assets(bench, project, texts)

    def answers(self, asset_ids: Sequence[int]) -> list[list[Answers]]:
        """The answers that count, per asset."""
        with self.bench() as bench, bench.store.read() as tx:
            return [[a.answers for a in work.current_for_asset(tx, asset_id)] for asset_id in asset_ids]

    def submissions(self, asset_ids: Sequence[int]) -> int:
        """How many submissions there are for these assets, replaced ones too."""
        with self.bench() as bench, bench.store.read() as tx:
            return sum(len(work.annotations_of(tx, asset_id)) for asset_id in asset_ids)
