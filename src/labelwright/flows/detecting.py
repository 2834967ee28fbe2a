"""Carries out the run of a detector: looks at every image, and stores what was seen.

Hides the order of the small transactions that make it safe against kill -9: images are noted as begun, looked at
between transactions, and stored together with status, queue order and counts. What was begun but not stored is looked
at again. The next image is decoded while the model looks at this one.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from labelwright.core.answer import Answers
from labelwright.core.asset import Asset
from labelwright.core.detected import Fitting, fitting, read
from labelwright.core.detector import Detector, Seen
from labelwright.core.errors import LabelwrightError, NotFound
from labelwright.core.ontology import Ontology
from labelwright.core.predictor import DetectorModel, Reading, Run
from labelwright.core.problem import Problem
from labelwright.core.project import Project
from labelwright.detectors import Crashed, Runner
from labelwright.flows.asked import sentence
from labelwright.flows.jobs import Control
from labelwright.flows.settle import store_readings
from labelwright.store import asset as assets
from labelwright.store import detector as store
from labelwright.store import run as runs
from labelwright.store import tables as t
from labelwright.workbench import Workbench

CHUNK = 32
"""Images noted as begun at once."""
FLUSH_S = 1.0
"""What was seen is stored at least this often."""
_MOST_CRASHES = 3
_HOPELESS = 20

Picture = NDArray[np.uint8]
Looked = tuple[Reading, float | None, Decimal | None]


class Detecting:
    """One run of a detector being carried out by one worker.

    Attributes:
        halted: Why the run should pause; empty when it should not.
    """

    cancelled = False

    def __init__(
        self, workbench: Workbench, project: Project, run: Run, ontology: Ontology, control: Control | None
    ) -> None:
        """Prepare; `go` does the work."""
        engine = run.predictor.engine
        if not isinstance(engine, DetectorModel):
            raise NotFound("no_detector", "this run has no detector")
        self.engine = engine
        self.halted = ""
        self._workbench, self._project, self._run, self._ontology = workbench, project, run, ontology
        self._control = control
        self._seen: dict[int, Looked] = {}
        self._left_out: Counter[str] = Counter()
        self._stored_at = time.monotonic()
        self._crashes = 0
        self._live = True

    def go(self) -> None:
        """Look at everything that is pending, until done or stopped; `halted` says why it should pause, if so."""
        run_id = self._run.id
        with self._workbench.store.write() as tx:
            # Begun before a crash, and not stored.
            runs.put_back(tx, run_id, runs.asset_ids(tx, run_id, "asked"), sent=True)
            detector = store.get(tx, self.engine.detector_id)
            if self._run.started_at is None:
                runs.change(tx, run_id, started_at=self._workbench.now())
        if detector is None:
            self.halted = f"the detector {self.engine.name!r} was removed; add it again and start a new run"
            return
        try:
            fit = fitting(detector.spec, self._ontology, self.engine.question)
            model = self._workbench.blobs.path(detector.model_sha256)
            key = f"{detector.model_sha256}:{detector.spec_sha256}"
            with self._workbench.runners.use(key, model, detector.spec) as runner:
                self._look_at_all(runner, detector, fit)
        except LabelwrightError as error:
            self.halted = sentence(error)
        self._flush()
        with self._workbench.store.write() as tx:
            runs.put_back(tx, run_id, runs.asset_ids(tx, run_id, "asked"), sent=False)

    def _look_at_all(self, runner: Runner, detector: Detector, fit: Fitting) -> None:
        at_once = detector.spec.input.batch
        with ThreadPoolExecutor(1, thread_name_prefix="pictures") as decoding:
            while not self._should_stop():
                with self._workbench.store.write() as tx:
                    ids = runs.take_pending(tx, self._run.id, CHUNK)
                    found = assets.get_many(tx, ids)
                if not ids:
                    return
                waiting: list[tuple[Asset, Picture]] = []
                for asset, picture in self._pictures([found[key] for key in ids], decoding):
                    if isinstance(picture, LabelwrightError):
                        self._failed(asset.id, fit, picture.code, picture.message)
                    else:
                        waiting.append((asset, picture))
                    if len(waiting) == at_once:
                        self._look(runner, detector, fit, waiting)
                        waiting = []
                    if time.monotonic() - self._stored_at >= FLUSH_S:
                        self._flush()
                    if self._should_stop():
                        return
                self._look(runner, detector, fit, waiting)
                self._flush()

    def _pictures(
        self, found: Sequence[Asset], decoding: ThreadPoolExecutor
    ) -> Iterator[tuple[Asset, Picture | LabelwrightError]]:
        """Each image with its pixels, or why there are none; one is decoded ahead."""

        def pixels(asset: Asset) -> Picture | LabelwrightError:
            try:
                return self._workbench.pictures.pixels(asset.sha256)
            except LabelwrightError as error:
                return error

        following = decoding.submit(pixels, found[0])
        for n, asset in enumerate(found):
            this = following
            if n + 1 < len(found):
                following = decoding.submit(pixels, found[n + 1])
            yield asset, this.result()

    def _look(
        self, runner: Runner, detector: Detector, fit: Fitting, waiting: Sequence[tuple[Asset, Picture]]
    ) -> None:
        """Look at some images together; if the model dies over them, at each alone."""
        if not waiting:
            return
        started = time.perf_counter()
        try:
            seen: Sequence[Seen] = runner.see([picture for _, picture in waiting], fit.marks)
            self._crashes = 0
        except Crashed as error:
            if len(waiting) > 1:
                for alone in waiting:
                    self._look(runner, detector, fit, [alone])
                return
            self._crashes += 1
            self._failed(waiting[0][0].id, fit, error.code, error.message)
            if self._crashes >= _MOST_CRASHES:
                self.halted = f"{sentence(error)}; {self._crashes} times in a row"
            return
        latency = (time.perf_counter() - started) / len(waiting)
        for (asset, picture), each in zip(waiting, seen, strict=True):
            height, width = picture.shape[:2]
            reading, left_out = read(each, detector.spec, fit, self._ontology, (width, height))
            self._left_out += left_out
            self._seen[asset.id] = (reading, latency, Decimal(0))

    def _failed(self, asset_id: int, fit: Fitting, code: str, message: str) -> None:
        problem = Problem(where=fit.question, code=code, message=message)
        self._seen[asset_id] = (Reading(answers=Answers(), problems=(problem,)), None, Decimal(0))

    def _flush(self) -> None:
        """Predictions, how each image ended, its place in the queue, and the counts: all or nothing."""
        self._stored_at = time.monotonic()
        seen, self._seen = self._seen, {}
        left_out, self._left_out = self._left_out, Counter()
        with self._workbench.store.write() as tx:
            now, run_id = self._workbench.now(), self._run.id
            ended = store_readings(tx, self._project, self._run, self._ontology, seen, now) if seen else []
            runs.finish(tx, run_id, ended, now)
            store.leave_out(tx, run_id, left_out)
            c = t.run.c
            row: Any = tx.execute(
                sa.select(c.done, c.failed, c.total, c.failures, c.state).where(c.id == run_id)
            ).one()
            if self._control is not None:
                self._control.save(tx, done=row.done + row.failed, total=row.total)
        self._live = row.state == "running"
        if not row.done and row.failed >= _HOPELESS and not self.halted:
            cause = max(row.failures, key=lambda name: row.failures[name])
            self.halted = f"the first {row.failed} images all failed, most often by {cause.replace('_', ' ')}; look at the failures"

    def _should_stop(self) -> bool:
        stopping = self._control is not None and self._control.stop_wanted()
        return bool(self.halted) or stopping or not self._live
