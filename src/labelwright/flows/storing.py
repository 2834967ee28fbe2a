"""Stores what arrived in an import, chunk by chunk: what is known already, what is new, and the answers that came along.

Nothing is stored twice, whatever is imported again: assets are known by the user's own key, else by their content, and
annotations get an id that is made of what they say.
"""

import uuid
from collections.abc import Mapping as Keyed
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from labelwright.core.annotation import Annotation
from labelwright.core.answer import Answers
from labelwright.core.errors import NotFound
from labelwright.core.job import Job
from labelwright.core.ontology import Ontology
from labelwright.core.predictor import ImportedModel, Predictor, Reading
from labelwright.core.problem import Problem, excerpt
from labelwright.core.project import Project
from labelwright.core.queue import shuffle_key
from labelwright.core.transfer import Opinion, resolve
from labelwright.core.value import Value
from labelwright.core.workflow import Facts, is_open, status
from labelwright.flows.arrivals import Arrival, Quarantined
from labelwright.flows.jobs import Report
from labelwright.store import asset as assets
from labelwright.store import economics, people, work
from labelwright.store import picture as pictures
from labelwright.store import project as projects
from labelwright.store import run as runs
from labelwright.store import transfer as store
from labelwright.store.db import Tx
from labelwright.workbench import Workbench

LabelsAre = Literal["as_said", "gold", "person", "model"]


class ImportOptions(Value):
    """How an import treats what is known already.

    Attributes:
        changed: A row whose external id is known with another text: `report` it, or `add` it as a new asset without an
            external id. The content of a stored asset never changes.
        labels_are: Of images: whose the labels in the files are, where the user knows better than the format: trusted
            (`gold`), a `person`'s or a `model`'s. What columns of texts mean is said by the mapping.
        dry_run: Read, check and count, but store nothing.
    """

    changed: Literal["report", "add"] = "report"
    labels_are: LabelsAre = "as_said"
    dry_run: bool = False


class Tally:
    """Counts of an import, kept in the job's report so that they survive a restart."""

    def __init__(self, report: Report) -> None:
        self.n: dict[str, int] = {
            key: int(report.get(key, 0))
            for key in (
                "new",
                "same",
                "changed",
                "duplicates",
                "bad",
                "annotations",
                "predictions",
                "gold",
                "dropped_answers",
                "flagged",
            )
        }
        self.sample: list[dict[str, Any]] = list(report.get("problems", []))

    def problem(self, problems: list[Problem]) -> None:
        """Keep the first hundred."""
        room = 100 - len(self.sample)
        self.sample += [p.model_dump() for p in problems[: max(room, 0)]]

    def report(self) -> Report:
        """As it is kept."""
        return {**self.n, "problems": self.sample}


def store_chunk(
    tx: Tx,
    workbench: Workbench,
    job: Job,
    options: ImportOptions,
    chunk: list[Arrival | Problem],
    tally: Tally,
    seen: dict[str, str],
) -> None:
    """Store a chunk.

    Args:
        tx: A write transaction; blobs of the chunk are durable.
        workbench: For the clock.
        job: The import.
        options: As asked for.
        chunk: What arrived.
        tally: Counted on.
        seen: What a dry run met so far, which stores nothing it could look up.
    """
    assert job.project_id is not None
    project = projects.get(tx, job.project_id)
    if project is None:
        raise NotFound("no_project", "the project is in the trash")
    problems = [each for each in chunk if isinstance(each, Problem)]
    tally.n["bad"] += len(problems)
    arrivals = [each for each in chunk if isinstance(each, Arrival)]
    known, rest, unknown = _answers_alone(tx, project, arrivals)
    problems += unknown
    tally.n["bad"] += len(unknown)
    tally.n["same"] += len(known)
    by_id = store.known_by_external_id(
        tx, project.id, [each.row.external_id for each in rest if each.row.external_id is not None]
    )
    is_image = project.modality == "image"
    by_hash = store.known_by_content(
        tx,
        project.id,
        [
            each.sha256
            for each in rest
            if is_image or each.row.external_id is None or options.changed == "add"
        ],
    )
    fresh: list[Arrival] = []
    for each in rest:
        row, digest = each.row, each.sha256
        key = row.external_id if row.external_id is not None else f"\0{digest}"
        found = by_id.get(row.external_id) if row.external_id is not None else None
        if row.external_id is None and digest in by_hash:
            found = (by_hash[digest], digest)
        if found is None and key in seen:
            found = (0, seen[key])
        if found is None:
            if is_image and row.external_id is not None and (digest in by_hash or digest in seen):
                tally.n["duplicates"] += 1
                message = "the same image is here under another name too; both are kept"
                problems.append(Problem(where=row.where, code="same_image", message=message))
            fresh.append(each)
        elif found[1] != digest:
            if options.changed == "add" and digest in by_hash:
                tally.n["same"] += 1  # added by an earlier import
                continue
            tally.n["changed"] += 1
            if options.changed == "add":
                by_hash[digest] = 0
                fresh.append(replace(each, row=replace(row, external_id=None)))
            else:
                what = "another image" if is_image else "another text"
                message = f"the id {row.external_id!r} is stored with {what}; the stored one was kept"
                problems.append(Problem(where=row.where, code="changed", message=message))
        else:
            tally.n["same"] += 1
            if found[0] > 0:
                known.append((each, found[0]))
        # Within a chunk a second row with the same key is "same" or "changed" like one of an earlier chunk.
        if row.external_id is not None and found is None:
            by_id.setdefault(row.external_id, (0, digest))
        if found is None and (is_image or row.external_id is None):
            by_hash.setdefault(digest, 0)
        if options.dry_run:
            seen.setdefault(key, digest)
            if is_image:
                seen.setdefault(digest, digest)
    tally.n["new"] += len(fresh)
    ontology = projects.ontology(tx, project.id, project.ontology_version)
    assert ontology is not None
    sizes = pictures.sizes(tx, [asset_id for each, asset_id in known if each.extent is None])
    known = [
        (each if each.extent is not None else replace(each, extent=sizes.get(asset_id)), asset_id)
        for each, asset_id in known
    ]
    if options.dry_run:
        for each in [*fresh, *(each for each, _ in known if not each.sha256)]:
            for opinion in each.row.opinions:
                problems += _resolved(opinion, ontology, each)[2]
    else:
        problems += _insert(tx, workbench, job, project, ontology, fresh, tally)
        for each, asset_id in known:
            for opinion in each.row.opinions:
                problems += _attach(tx, workbench, job, project, ontology, each, asset_id, opinion, tally)
    store.add_problems(tx, job.id, problems, {p: p.sha256 for p in problems if isinstance(p, Quarantined)})
    tally.problem(problems)


def _answers_alone(
    tx: Tx, project: Project, arrivals: Sequence[Arrival]
) -> tuple[list[tuple[Arrival, int]], list[Arrival], list[Problem]]:
    """Answers to images that are here already, with the asset each is for; the other arrivals; and what fits nothing."""
    alone = [each for each in arrivals if not each.sha256]
    if not alone:
        return [], list(arrivals), []
    wanted = [each.row.external_id for each in alone if each.row.external_id]
    by_id = store.known_by_external_id(tx, project.id, wanted)
    by_name: Keyed[str, int] = {}
    if any(name not in by_id for name in wanted):
        by_name = pictures.by_name(tx, project.id, [name for name in wanted if name not in by_id])
    known, problems = [], []
    for each in alone:
        name = each.row.external_id or ""
        asset_id = by_id[name][0] if name in by_id else by_name.get(name)
        if asset_id is not None:
            known.append((each, asset_id))
        else:
            message = (
                f"no image {excerpt(name)!r} is in this project, or several are; import the images first"
            )
            problems.append(Problem(where=each.row.where, code="no_image", message=message))
    return known, [each for each in arrivals if each.sha256], problems


def _resolved(opinion: Opinion, ontology: Ontology, arrival: Arrival) -> tuple[Answers, Any, list[Problem]]:
    assert arrival.extent is not None
    answers, confidence, found = resolve(opinion, ontology, arrival.extent)
    return answers, confidence, [p.under(arrival.row.where) for p in found]


def _insert(
    tx: Tx,
    workbench: Workbench,
    job: Job,
    project: Project,
    ontology: Ontology,
    fresh: list[Arrival],
    tally: Tally,
) -> list[Problem]:
    """Insert new assets in bulk; those that bring answers get them one by one afterwards."""
    now, order = workbench.now(), project.settings.order
    seed = projects.learning(tx, project.id).seed
    stage = status(Facts(people_wanted=project.settings.people_per_asset))
    rows, contents, with_opinions, flagged = [], [], [], 0
    pictures.add_many(
        tx,
        ((each.sha256, each.made.picture, each.made.files) for each in fresh if each.made is not None),
        now,
    )
    for asset_id, each in zip(store.new_asset_ids(tx, len(fresh)), fresh, strict=True):
        row = each.row
        shuffle = shuffle_key(asset_id, seed)
        flags = assets.flags_of(row.text, row.metadata)
        flagged += flags != 0
        rows.append(
            {
                "id": asset_id,
                "project_id": project.id,
                "modality": "image" if each.made is not None else "text",
                "external_id": row.external_id,
                "sha256": each.sha256,
                "size": each.size,
                "status": stage,
                "open": is_open(stage),
                "order_key": assets.order_key(order, None, shuffle, skipped=False),
                "shuffle": shuffle,
                "annotations": 0,
                "gold": False,
                "flags": flags,
                "updated_at": now,
            }
        )
        contents.append(
            {"asset_id": asset_id, "text": row.text, "metadata": row.metadata, "file_name": row.image}
        )
        if row.opinions:
            with_opinions.append((each, asset_id))
    store.insert_assets(tx, rows, contents)
    assets.count(tx, project.id, {stage: len(rows), "flagged": flagged})
    tally.n["flagged"] += flagged
    problems: list[Problem] = []
    for each, asset_id in with_opinions:
        for opinion in each.row.opinions:
            problems += _attach(tx, workbench, job, project, ontology, each, asset_id, opinion, tally)
    return problems


def _attach(
    tx: Tx,
    workbench: Workbench,
    job: Job,
    project: Project,
    ontology: Ontology,
    arrival: Arrival,
    asset_id: int,
    opinion: Opinion,
    tally: Tally,
) -> list[Problem]:
    """Store answers that came along: a model's as a prediction, a person's as an annotation, gold as gold."""
    answers, confidence, problems = _resolved(opinion, ontology, arrival)
    # What was mended is told, but nothing of it was dropped.
    tally.n["dropped_answers"] += sum(problem.code != "mended" for problem in problems)
    if not answers.root:
        return problems
    now = workbench.now()
    if opinion.by == "gold":
        if store.set_gold(tx, project.id, asset_id, answers, now):
            assets.count(tx, project.id, {"gold": 1})
        economics.judge_asset(tx, project.id, asset_id)
        tally.n["gold"] += 1
    elif opinion.by == "model":
        predictor = Predictor(
            engine=ImportedModel(name=opinion.name or "import"), ontology_version=project.ontology_version
        )
        predictor_sha256 = runs.add_predictor(tx, predictor)
        current = work.current_predictions(tx, [asset_id]).get(asset_id)
        if current and current.predictor_sha256 == predictor_sha256 and current.answers == answers:
            return problems  # the same file again
        reading = Reading(answers=answers, confidence=confidence, problems=tuple(problems))
        prediction_id = runs.add_prediction(
            tx,
            project.id,
            asset_id,
            None,
            predictor_sha256,
            project.ontology_version,
            reading,
            now,
        )
        changes = {"prediction_id": prediction_id, "confidence": reading.lowest}
        assets.refresh(tx, project.id, asset_id, project.settings, now, changes)
        tally.n["predictions"] += 1
    else:
        _annotate(tx, workbench, job, project, asset_id, answers, opinion.name)
        tally.n["annotations"] += 1
    return problems


def _annotate(
    tx: Tx, workbench: Workbench, job: Job, project: Project, asset_id: int, answers: Answers, author: str
) -> None:
    found = people.by_name(tx, author) if author else None
    author_id = found[0].user_id if found is not None else job.created_by
    assert author_id is not None
    mine = work.current_of(tx, asset_id, author_id)
    if mine is not None and mine.answers == answers:
        return
    now = workbench.now()
    # The id is made from the content, so that importing the same file again stores nothing twice.
    key = uuid.uuid5(uuid.NAMESPACE_URL, f"{project.id}:{asset_id}:{author_id}:{answers.model_dump_json()}")
    if work.annotation_exists(tx, str(key)):
        return
    new = Annotation(
        id=str(key), asset_id=asset_id, author_id=author_id, ontology_version=project.ontology_version,
        answers=answers, parent_id=mine.id if mine is not None else None, created_at=now,
    )  # fmt: skip
    assets.count(tx, project.id, {"submissions": 1})
    work.add_annotation(tx, project.id, new, changed=False, seq=assets.counter(tx, project.id, "submissions"))
    economics.judge_asset(tx, project.id, asset_id)
    assets.refresh(tx, project.id, asset_id, project.settings, now)
