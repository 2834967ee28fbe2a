"""Fills and reads the data of a served workbench beside its server, as another process would."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from labelwright.core.access import Actor
from labelwright.core.answer import Answers
from labelwright.core.ontology import Ontology
from labelwright.core.project import Project, ProjectSettings
from labelwright.flows import browse, ingest, jobs, people, setup
from labelwright.settings import Settings
from labelwright.store import work
from labelwright.workbench import Workbench, open_workbench
from tests import factories
from tests.journeys.conftest import Served
from tests.media.made import zipped

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

    def add_images(
        self, images: Mapping[str, bytes], ontology: Ontology, settings: ProjectSettings = QUIET
    ) -> tuple[Project, list[int]]:
        """A project with these images by name, imported as a person would; returns the ids of the assets in that order."""
        with self.bench() as bench:
            project = setup.create_project(
                bench, self.person, "Street", ontology, modality="image", settings=settings
            )
            upload = ingest.keep_upload(bench, self.person, "images.zip", [zipped(dict(images))])
            wanted = ingest.ImportWanted(upload_id=upload.upload_id, options=ingest.ImportOptions())
            started = ingest.start_import(bench, self.person, project.id, wanted)
            jobs.run_all(bench)
            # The server beside us may have taken it: then it is done when that one says so.
            while (job := jobs.get_job(bench, self.person, project.id, started.id)).state in (
                "queued",
                "running",
            ):
                time.sleep(0.05)
            assert job.state == "done", job.message
            page = browse.page(bench, self.person, project.id, browse.Filter(), "id", None, 500)
            ids = {row.asset.external_id: row.asset.id for row in page.rows}
        return project, [ids[name] for name in images]
