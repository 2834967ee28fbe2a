"""Takes in people's work: drafts, submissions, skips, and taking a submission back.

What was acknowledged is committed. A request that is repeated changes nothing; a second opinion is kept beside the
first; a stale tab is told so and loses nothing.
"""

from datetime import timedelta

from pydantic import Field

from labelwright.core.access import Actor
from labelwright.core.annotation import ActiveTime, Annotation, Draft, Skip
from labelwright.core.answer import Answers
from labelwright.core.asset import Asset, Status
from labelwright.core.compare import changed_questions, is_right
from labelwright.core.conform import conform, remarks
from labelwright.core.errors import Conflict, Invalid, NotAllowed, NotFound
from labelwright.core.problem import Problem
from labelwright.core.project import Project
from labelwright.core.value import Id, Value
from labelwright.flows import guard, knowledge, series, watch
from labelwright.flows.take import Turn, show
from labelwright.store import asset as assets
from labelwright.store import economics, history, jobs, work
from labelwright.store import project as projects
from labelwright.store.db import Tx, lock_project
from labelwright.workbench import Workbench


class Submission(Value):
    """What the browser sends: everything of an annotation that the person decides."""

    id: Id
    answers: Answers
    ontology_version: int = Field(ge=1)
    prediction_id: int | None = None
    parent_id: Id | None = None
    time: ActiveTime = ActiveTime()


class Receipt(Value):
    """What became of a submission.

    Attributes:
        outcome: `stored`; `repeated` for one that was stored before; `extra_opinion` when others had finished the asset.
        problems: What no longer fits the current ontology, and what is worth a second look; the work is kept all the same.
    """

    annotation: Annotation
    status: Status
    outcome: str
    problems: tuple[Problem, ...] = ()


def submit(workbench: Workbench, actor: Actor, project_id: int, asset_id: int, sent: Submission) -> Receipt:
    """Store a person's answers.

    Raises:
        Invalid: The answers break the ontology they were given under; the draft is kept.
        Conflict: The id was used for something else, or the person's newer submission would be overwritten.
    """
    now = workbench.now()
    with workbench.store.write() as tx:
        project = guard.project(tx, actor, project_id, "label")
        asset = guard.asset(tx, project_id, asset_id)
        lock_project(tx, project_id, "submit")
        before = work.annotation(tx, project_id, sent.id)
        if before is not None or work.annotation_exists(tx, sent.id):
            return _repeated(before, actor, asset_id, sent, asset.status)
        ontology = guard.ontology(tx, project_id, sent.ontology_version)
        problems = conform(ontology, sent.answers, asset.extent)
        problems += knowledge.check_links(workbench, ontology, sent.answers)
        if problems:
            raise Invalid("bad_answers", "some answers do not fit the questions", problems=problems)
        mine = work.current_of(tx, asset_id, actor.user_id)
        if mine is not None and mine.id != sent.parent_id:
            raise Conflict(
                "changed_elsewhere",
                "you submitted this asset from another window in the meantime",
                "reload it to see both versions; your draft is kept",
            )
        arm = economics.arms(tx, actor.user_id, [asset_id]).get(asset_id)
        if arm == "hidden":
            # The server knows what it withheld; a browser that names a prediction all the same saw it elsewhere.
            sent = sent.model_copy(update={"prediction_id": None})
        annotation = Annotation(
            id=sent.id,
            asset_id=asset_id,
            author_id=actor.user_id,
            author_name=actor.display_name or actor.name,
            ontology_version=sent.ontology_version,
            answers=sent.answers,
            prediction_id=sent.prediction_id,
            parent_id=sent.parent_id,
            time=sent.time,
            arm=arm,
            created_at=now,
        )
        # A local model's prediction may have been replaced while the person worked; the work counts all the same.
        shown = work.predictions(tx, [sent.prediction_id]) if sent.prediction_id is not None else {}
        prediction = shown.get(sent.prediction_id or 0)
        if prediction is not None and prediction.asset_id != asset_id:
            raise Invalid("wrong_prediction", f"prediction {sent.prediction_id} is not of this asset")
        if prediction is None:
            annotation = annotation.model_copy(update={"prediction_id": None})
        changed = prediction is not None and bool(
            changed_questions(ontology, prediction.answers, sent.answers)
        )
        model_right = None if prediction is None else is_right(ontology, prediction.answers, sent.answers)
        withheld = work.current_predictions(tx, [asset_id]).get(asset_id) if arm == "hidden" else None
        why, drawn_above = work.why_handed_out(tx, asset_id, actor.user_id)
        was_finished = asset.status == "labelled" and mine is None
        assets.count(tx, project_id, {"submissions": 1, assets.day_counter(now.date().isoformat()): 1})
        seq = assets.counter(tx, project_id, "submissions")
        work.add_annotation(
            tx, project_id, annotation, changed=changed, seq=seq, why=why, drawn_above=drawn_above,
            model_right=model_right, withheld_id=withheld.id if withheld is not None else None,
        )  # fmt: skip
        economics.judge_asset(tx, project_id, asset_id)
        work.drop_draft(tx, asset_id, actor.user_id)
        work.release(tx, [asset_id], actor.user_id)
        work.drop_skip(tx, asset_id, actor.user_id)
        stage = assets.refresh(tx, project_id, asset_id, project.settings, now)
        history.record(
            tx, now, "submitted", project_id=project_id, asset_id=asset_id, user_id=actor.user_id,
            body={"annotation": sent.id, "changed": changed, "prediction": sent.prediction_id},
        )  # fmt: skip
        learn_when_due(tx, workbench, project, seq, actor)
        series.when_reviewed(tx, workbench, project, asset.batch)
        if drawn_above is not None and model_right is not None:
            watch.check_promises(tx, workbench, project, actor)
        if sent.ontology_version != project.ontology_version:
            current = guard.ontology(tx, project_id, project.ontology_version)
            problems = conform(current, sent.answers, asset.extent)
        problems += remarks(ontology, sent.answers)
        return Receipt(
            annotation=annotation,
            status=stage,
            outcome="extra_opinion" if was_finished else "stored",
            problems=tuple(problems),
        )


def _repeated(
    before: tuple[Annotation, str] | None, actor: Actor, asset_id: int, sent: Submission, status: Status
) -> Receipt:
    if before is not None and before[1] == work.body_hash(asset_id, actor.user_id, sent.answers):
        return Receipt(annotation=before[0], status=status, outcome="repeated")
    raise Conflict("id_used", f"annotation id {sent.id!r} was used for something else", "make a new id")


def learn_when_due(tx: Tx, workbench: Workbench, project: Project, submissions: int, actor: Actor) -> None:
    """Queue a training of the local models after every `learn_every` submissions; never two at once.

    To be called in the transaction of the submissions that may make it due.
    """
    every = project.settings.learn_every if project.modality == "text" else 0
    if every and submissions - projects.learning(tx, project.id).learned_at_submissions >= every:
        queued = [
            job for job in jobs.of_project(tx, project.id, ("learn",), live=True) if job.state == "queued"
        ]
        if not queued:
            jobs.add(tx, "learn", project.id, {}, actor.user_id, workbench.now())


def save_draft(
    workbench: Workbench,
    actor: Actor,
    project_id: int,
    asset_id: int,
    answers: Answers,
    prediction_id: int | None,
    revision: int,
) -> Draft:
    """Keep unsubmitted work.

    Raises:
        Conflict: An equal or newer revision is stored already.
    """
    draft = Draft(
        asset_id=asset_id,
        answers=answers,
        prediction_id=prediction_id,
        revision=revision,
        updated_at=workbench.now(),
    )
    with workbench.store.write() as tx:
        guard.project(tx, actor, project_id, "label")
        guard.asset(tx, project_id, asset_id)
        stored = work.draft(tx, asset_id, actor.user_id)
        if stored is not None and stored.revision >= revision:
            if stored.revision == revision and stored.answers == answers:
                return stored
            raise Conflict("stale_draft", "a newer draft of yours is stored", "reload the asset")
        work.save_draft(tx, actor.user_id, draft)
    return draft


def drop_draft(workbench: Workbench, actor: Actor, project_id: int, asset_id: int) -> None:
    """Forget unsubmitted work."""
    with workbench.store.write() as tx:
        guard.project(tx, actor, project_id, "label")
        guard.asset(tx, project_id, asset_id)
        work.drop_draft(tx, asset_id, actor.user_id)


def skip(workbench: Workbench, actor: Actor, project_id: int, asset_id: int, reason: str) -> Status:
    """Set an asset aside for this person; others may still answer it, after everything else. Returns its status."""
    with workbench.store.write() as tx:
        project = guard.project(tx, actor, project_id, "label")
        asset = guard.asset(tx, project_id, asset_id)
        work.add_skip(tx, Skip(asset_id=asset_id, user_id=actor.user_id, reason=reason), workbench.now())
        work.release(tx, [asset_id], actor.user_id)
        stage = assets.refresh(tx, project_id, asset_id, project.settings, workbench.now())
        history.record(
            tx, workbench.now(), "skipped", project_id=project_id, asset_id=asset_id, user_id=actor.user_id,
            body={"reason": reason[:200]},
        )  # fmt: skip
        series.when_reviewed(tx, workbench, project, asset.batch)
        return stage


class Mine(Value):
    """One of a person's own submissions; `text` is the beginning of the text, or the file name of an image."""

    annotation: Annotation
    text: str
    external_id: str | None


def last_submissions(workbench: Workbench, actor: Actor, project_id: int, limit: int) -> list[Mine]:
    """A person's last submissions, newest first."""
    with workbench.store.read() as tx:
        guard.project(tx, actor, project_id, "label")
        last = work.last_of(tx, project_id, actor.user_id, limit)
        found = assets.get_many(tx, [annotation.asset_id for annotation in last])
    return [
        Mine(
            annotation=annotation,
            text=_said_of(found[annotation.asset_id])[:200],
            external_id=found[annotation.asset_id].external_id,
        )
        for annotation in last
    ]


def _said_of(asset: Asset) -> str:
    return asset.image.file_name if asset.image is not None else asset.text or ""


def take_back(workbench: Workbench, actor: Actor, project_id: int, annotation_id: str) -> Turn:
    """Undo one's own submission: it no longer counts, the asset is handed back with its answers as the draft.

    Raises:
        NotFound: There is no such annotation here.
        NotAllowed: It is somebody else's.
        Conflict: It no longer counts.
    """
    now = workbench.now()
    with workbench.store.write() as tx:
        project = guard.project(tx, actor, project_id, "label")
        found = work.annotation(tx, project_id, annotation_id)
        if found is None:
            raise NotFound("no_annotation", f"project {project_id} has no annotation {annotation_id!r}")
        annotation = found[0]
        if annotation.author_id != actor.user_id:
            raise NotAllowed("not_yours", "only its author can take a submission back")
        current = work.current_of(tx, annotation.asset_id, actor.user_id)
        if current is None or current.id != annotation.id:
            raise Conflict("not_current", "this submission was already taken back or replaced")
        work.take_back(tx, annotation_id)
        economics.judge_asset(tx, project_id, annotation.asset_id)
        stored = work.draft(tx, annotation.asset_id, actor.user_id)
        work.save_draft(
            tx,
            actor.user_id,
            Draft(
                asset_id=annotation.asset_id,
                answers=annotation.answers,
                prediction_id=annotation.prediction_id,
                revision=(stored.revision if stored is not None else 0) + 1,
                updated_at=now,
            ),
        )
        assets.refresh(tx, project_id, annotation.asset_id, project.settings, now)
        work.lease(
            tx, annotation.asset_id, actor.user_id, now + timedelta(seconds=project.settings.lease_s), "again"
        )
        history.record(
            tx, now, "taken_back", project_id=project_id, asset_id=annotation.asset_id, user_id=actor.user_id,
            body={"annotation": annotation_id},
        )  # fmt: skip
        return show(tx, actor, project, [(annotation.asset_id, "again")])[0]
