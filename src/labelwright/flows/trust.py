"""Trusting a model: what its confidence is worth, and accepting its answers unseen from a threshold on.

Also taking that back, and what holds for the whole project. Accepted answers stay the model's: they are no annotation, so nothing that learns from people ever sees them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import numpy as np
from pydantic import Field, TypeAdapter

from labelwright.core import calibration
from labelwright.core import trust as rules
from labelwright.core.access import Actor
from labelwright.core.answer import Answer, ChoiceAnswer, ScalarAnswer, same_meaning
from labelwright.core.errors import Conflict, Invalid, NotFound
from labelwright.core.job import Job
from labelwright.core.ontology import ChoiceQuestion, Ontology, Question, ScalarQuestion
from labelwright.core.queue import EVERYTHING, shuffle_key
from labelwright.core.stats import fewest_tries
from labelwright.core.trust import Outlook, Population, Promise, Review, Share, Step
from labelwright.core.value import Probability, Value
from labelwright.flows import guard
from labelwright.flows.jobs import Control, Report
from labelwright.flows.watch import queue_revert
from labelwright.store import asset as assets
from labelwright.store import history, jobs, people
from labelwright.store import project as projects
from labelwright.store import trust as store
from labelwright.store.db import Tx, lock_project
from labelwright.workbench import Workbench

CHUNK = 2_000
KEPT = 8
"""Figures of this many (project, predictor, question) stay in memory until something changes."""

_ANSWER: TypeAdapter[Answer] = TypeAdapter(Answer)


class PredictorChoice(Value):
    """A predictor with current answers. `key` is `local` for the local models, which are one here."""

    key: str
    title: str
    answers: int


class Acceptance(Value):
    """A threshold from which a predictor's answers count unseen.

    Attributes:
        above: Raw confidence; `confidence` is what it was calibrated to when it was made.
        proven: Whether audits showed the promise when it was made.
        state: `active`; `broken`: audits no longer show the promise; `reverting`; `reverted`.
        standing: Assets that count as answered under it now.
        audits: Random checks that tell about it so far, those before it too; `wrong` of them were wrong.
    """

    id: int
    predictor: str
    predictor_title: str
    above: float
    confidence: float
    promise: Promise
    proven: bool
    state: Literal["active", "broken", "reverting", "reverted"]
    accepted: int
    standing: int
    audits: int
    wrong: int
    by: str
    created_at: datetime
    ended_at: datetime | None
    ended_because: str


class TrustView(Value):
    """What is known of a predictor's answers, to one question or as a whole.

    Attributes:
        question: None for whole assets: right only where every answer is, as sure as the least sure one.
        reviewed: Answers people judged; `random` of them were drawn at random.
        unsure: Answers without a confidence: they can be checked but not accepted.
        steps: Thresholds, strict to loose.
        chosen: Index of the loosest step that may be promised.
        waiting_audits: Drawn audits that nobody answered yet.
        verdict: The stop rule in words.
        acceptances: Newest first.
    """

    predictors: list[PredictorChoice]
    predictor: str | None = None
    question: str | None = None
    promise: Promise = Promise()
    reviewed: int = 0
    random: int = 0
    unsure: int = 0
    report: calibration.Report | None = None
    steps: list[Step] = Field(default_factory=list)
    chosen: int | None = None
    fewest_audits: int = 0
    waiting_audits: int = 0
    outlook: Outlook | None = None
    verdict: str = ""
    shares: list[Share] = Field(default_factory=list)
    acceptances: list[Acceptance] = Field(default_factory=list)


class AcceptWanted(Value):
    """Accept a predictor's answers from a raw confidence on. `unproven`: although audits do not show the promise yet."""

    predictor: str = Field(max_length=64)
    above: Probability
    promise: Promise = Promise()
    unproven: bool = False


@dataclass(frozen=True)
class Figures:
    """The parts of a view that cost something to work out."""

    population: Population
    reviews: tuple[Review, ...]
    report: calibration.Report
    labels: tuple[str, ...]


def view(
    workbench: Workbench,
    actor: Actor,
    project_id: int,
    *,
    predictor: str | None = None,
    question: str | None = None,
    promise: Promise | None = None,
    within: float = 0.02,
) -> TrustView:
    """What is known of a predictor's answers; of the one with most answers when none is named.

    Raises:
        NotFound: There is no such question or predictor here.
    """
    promise = promise or Promise()
    with workbench.store.read() as tx:
        project = guard.project(tx, actor, project_id, "see_assets")
        ontology = guard.ontology(tx, project_id, project.ontology_version)
        if question is not None and ontology.question(question) is None:
            raise NotFound("no_question", f"there is no question {question!r} here")
        known = store.predictors(tx, project_id)
        choices = [PredictorChoice(key=key, title=title, answers=n) for key, title, n in known]
        names = people.display_names(tx, [p.user_id for p in people.all_people(tx)])
        made = [_acceptance(tx, row, names) for row in store.acceptances(tx, project_id)]
        waiting = store.waiting_audits(tx, project_id)
        if not choices:
            return TrustView(predictors=[], promise=promise, acceptances=made)
        key = predictor or choices[0].key
        if key not in {each.key for each in choices}:
            raise NotFound("no_predictor", "this predictor has no current answers here")
        found = _figures(workbench, tx, project_id, ontology, key, question)
    population, reviews, report = found.population, found.reviews, found.report
    fitted = report.calibration
    steps = rules.steps(population, reviews, fitted, promise)
    outlook = rules.outlook(population, reviews, fitted, within)
    return TrustView(
        predictors=choices,
        predictor=key,
        question=question,
        promise=promise,
        reviewed=len(reviews),
        random=sum(r.drawn_above is not None for r in reviews),
        unsure=int(np.isnan(population.scores).sum()),
        report=report,
        steps=steps,
        chosen=rules.choose(steps, promise),
        fewest_audits=fewest_tries(promise.risk, promise.chance),
        waiting_audits=waiting,
        outlook=outlook,
        verdict=rules.verdict(outlook),
        shares=rules.shares(population, reviews, fitted, found.labels),
        acceptances=made,
    )


def _acceptance(tx: Tx, row: Any, names: Mapping[int, str]) -> Acceptance:
    audits, wrong = store.audits_above(tx, row.project_id, row.predictor_key, row.above)
    return Acceptance(
        id=row.id,
        predictor=row.predictor_key,
        predictor_title=row.predictor_title,
        above=row.above,
        confidence=row.evidence["confidence"],
        promise=Promise.model_validate(row.promise),
        proven=row.evidence["proven"],
        state=row.state,
        accepted=row.accepted,
        standing=store.standing(tx, row.id),
        audits=audits,
        wrong=wrong,
        by=names.get(row.created_by, ""),
        created_at=row.created_at,
        ended_at=row.ended_at,
        ended_because=row.ended_because,
    )


# --- working out --------------------------------------------------------------------------------------------------


def _figures(
    workbench: Workbench, tx: Tx, project_id: int, ontology: Ontology, key: str, question_id: str | None
) -> Figures:
    """Kept in memory until the history or a counter of the project says that something changed."""
    place, state = (
        ("trust", project_id, key, question_id),
        (ontology.version, *store.fingerprint(tx, project_id)),
    )
    kept = workbench.memo.get(place)
    if kept is not None and kept[0] == state:
        found: Figures = kept[1]
        return found
    active = ontology.active_questions
    whole = question_id is None
    question = ontology.question(question_id) if question_id else active[0] if len(active) == 1 else None
    rows = store.answers(tx, project_id, key, question, whole=whole)
    sets: dict[str, frozenset[str]] = {}
    population = Population(
        asset_ids=np.array([row.id for row in rows], dtype=np.int64),
        scores=np.array([np.nan if row.score is None else row.score for row in rows], dtype=float),
        labels=[sets.setdefault(str(row.said), _labels(row.said)) for row in rows],
        waiting=np.array([row.status == "predicted" for row in rows], dtype=bool),
    )
    here = set(population.asset_ids.tolist())
    reviews = tuple(
        review
        for review in _reviews(store.reviews(tx, project_id, key), question, whole=whole)
        if review.asset_id in here
    )
    scores = np.array([np.nan if r.score is None else r.score for r in reviews], dtype=float)
    right = np.array([r.right for r in reviews], dtype=float)
    known = ~np.isnan(scores)
    report = calibration.evaluate(scores[known], right[known], rules.weights(population, reviews)[known])
    found = Figures(population=population, reviews=reviews, report=report, labels=_label_ids(question))
    while len(workbench.memo) >= KEPT:
        workbench.memo.pop(next(iter(workbench.memo)), None)
    workbench.memo[place] = (state, found)
    return found


def _reviews(rows: Sequence[Any], question: Question | None, *, whole: bool) -> list[Review]:
    """The newest review of each asset; drawn at random if any review of it was."""
    found: dict[int, Review] = {}
    for row in rows:
        predicted, given = (
            (None, None)
            if question is None
            else (_answer(row.predicted.get(question.id)), _answer(row.given.get(question.id)))
        )
        if whole:
            right, score = row.model_right, row.lowest
        elif predicted is None or given is None or question is None:
            continue
        else:
            right = same_meaning(predicted, given)
            score = (row.confidence.get(question.id) or {}).get("value")
        if right is None:
            continue
        before = found.get(row.asset_id)
        draws = [
            each for each in (row.drawn_above, before.drawn_above if before else None) if each is not None
        ]
        found[row.asset_id] = Review(
            asset_id=row.asset_id,
            score=score,
            right=bool(right),
            drawn_above=min(draws, default=None),
            predicted=_chosen(predicted),
            true=_chosen(given),
        )
    return list(found.values())


def _answer(body: Any) -> Answer | None:
    return None if body is None else _ANSWER.validate_python(body)


def _chosen(answer: Answer | None) -> frozenset[str]:
    match answer:
        case ChoiceAnswer(labels=labels):
            return frozenset(labels)
        case ScalarAnswer(value=bool() as value):
            return _labels(value)
        case _:
            return frozenset()


def _labels(said: Any) -> frozenset[str]:
    if isinstance(said, bool):
        return frozenset({"yes" if said else "no"})
    return frozenset(said) if isinstance(said, list) else frozenset()


def _label_ids(question: Question | None) -> tuple[str, ...]:
    if isinstance(question, ChoiceQuestion):
        return tuple(label.id for label in question.active_labels)
    return ("yes", "no") if isinstance(question, ScalarQuestion) and question.type == "boolean" else ()


# --- audits -------------------------------------------------------------------------------------------------------


def draw_audits(
    workbench: Workbench, actor: Actor, project_id: int, predictor: str, n: int, above: float | None = None
) -> int:
    """Draw up to `n` assets at random and hand them out first; returns how many there were.

    Args:
        workbench: The windows to the world.
        actor: A manager.
        project_id: Where.
        predictor: Key of the predictor whose answers are checked.
        n: How many.
        above: Among answers with at least this raw confidence; None for all, those without a confidence too.

    Raises:
        Conflict: There is nothing left to draw from.
    """
    reach = EVERYTHING if above is None else above
    now = workbench.now()
    with workbench.store.write() as tx:
        project = guard.project(tx, actor, project_id, "run_models")
        lock_project(tx, project_id, "take")
        ids = store.auditable(tx, project_id, predictor, reach)
        if not ids:
            raise Conflict("none_left", "every answer there was reviewed or drawn already")
        seed = int.from_bytes(workbench.random_bytes(8), "big")
        drawn = sorted(ids, key=lambda asset_id: shuffle_key(asset_id, seed))[:n]
        store.draw(tx, drawn, reach, first=True, order=project.settings.order, at=now)
        history.record(
            tx, now, "audits_drawn", project_id=project_id, user_id=actor.user_id,
            body={"n": len(drawn), "above": above},
        )  # fmt: skip
    return len(drawn)


def drop_audits(workbench: Workbench, actor: Actor, project_id: int) -> int:
    """Take audits that nobody answered yet out of the front of the queue; returns how many."""
    with workbench.store.write() as tx:
        project = guard.project(tx, actor, project_id, "run_models")
        dropped = store.drop_audits(tx, project_id, project.settings.order)
        history.record(
            tx, workbench.now(), "audits_drawn", project_id=project_id, user_id=actor.user_id,
            body={"n": -dropped, "above": None},
        )  # fmt: skip
        return dropped


# --- accepting ----------------------------------------------------------------------------------------------------


def accept(workbench: Workbench, actor: Actor, project_id: int, wanted: AcceptWanted) -> Job:
    """Let all answers from a confidence on count unseen, in the background.

    Raises:
        Conflict: The audits do not show the promise.
        Invalid: There is nothing to accept there.
    """
    found = view(workbench, actor, project_id, predictor=wanted.predictor, promise=wanted.promise)
    with workbench.store.write() as tx:
        project = guard.project(tx, actor, project_id, "run_models")
        ontology = guard.ontology(tx, project_id, project.ontology_version)
        figures = _figures(workbench, tx, project_id, ontology, wanted.predictor, None)
        fitted = figures.report.calibration
        here = rules.step(wanted.above, figures.population, figures.reviews, fitted, wanted.promise)
        if not here.waiting:
            raise Invalid(
                "nothing_there", "no answer there waits to be accepted", "choose a lower confidence"
            )
        if not here.proven and not wanted.unproven:
            raise Conflict("not_proven", _not_shown(here, wanted.promise), _how_to_show(here, wanted.promise))
        title = next(each.title for each in found.predictors if each.key == wanted.predictor)
        evidence = {
            "audits": here.audits, "wrong": here.wrong, "proven": here.proven, "confidence": here.confidence,
            "waiting": here.waiting,
        }  # fmt: skip
        acceptance_id = store.add_acceptance(
            tx, project_id=project_id, predictor_key=wanted.predictor, predictor_title=title, above=wanted.above,
            promise=wanted.promise.model_dump(), evidence=evidence, state="active", accepted=0,
            created_by=actor.user_id, created_at=workbench.now(), ended_because="",
        )  # fmt: skip
        job_id = jobs.add(
            tx, "accept", project_id, {"acceptance_id": acceptance_id, "action": "accept"}, actor.user_id,
            workbench.now(),
        )  # fmt: skip
        job = jobs.get(tx, job_id)
    assert job is not None
    return job


def _not_shown(here: Step, promise: Promise) -> str:
    seen = f"{here.audits - here.wrong} of {here.audits} audited answers there are right"
    return f"that {promise.accuracy:.0%} are right is not shown yet: {seen}" if here.audits else (
        "nothing is known of the answers there: none was audited yet"
    )  # fmt: skip


def _how_to_show(here: Step, promise: Promise) -> str:
    if here.more is None:
        return f"errors are too frequent there for {promise.accuracy:.0%}; choose a higher confidence or promise less"
    return f"audit about {here.more} more of them, choose a higher confidence, or promise less"


def revert(
    workbench: Workbench, actor: Actor, project_id: int, acceptance_id: int | None = None
) -> list[Job]:
    """Put everything that was accepted back into the queue; of all acceptances when none is named.

    Raises:
        NotFound: There is no such acceptance here.
        Conflict: It was taken back already, or there is none to take back.
    """
    with workbench.store.write() as tx:
        guard.project(tx, actor, project_id, "run_models")
        rows = store.acceptances(tx, project_id)
        if acceptance_id is not None:
            rows = [row for row in rows if row.id == acceptance_id]
            if not rows:
                raise NotFound("no_acceptance", f"project {project_id} has no acceptance {acceptance_id}")
        rows = [row for row in rows if row.state in ("active", "broken")]
        if not rows:
            raise Conflict("nothing_accepted", "there is nothing to take back")
        ids = [queue_revert(tx, workbench, project_id, row.id, actor.user_id, "taken back") for row in rows]
        found = [jobs.get(tx, job_id) for job_id in ids]
    return [job for job in found if job is not None]


def run_accept(workbench: Workbench, job: Job, control: Control) -> Report:
    """The work of a job that accepts or takes back: in chunks, each with its counters in one transaction."""
    acceptance_id = int(job.params["acceptance_id"])
    if job.params["action"] == "revert":
        return _run_revert(workbench, job, control, acceptance_id)
    done, last = job.done, int(job.cursor.get("after", 0))
    _look_for_flags(workbench, job.project_id or 0, control)
    while True:
        control.check()
        with workbench.store.write() as tx:
            project = projects.get(tx, job.project_id or 0)
            row = store.acceptance(tx, acceptance_id)
            if project is None or row.state not in ("active", "broken"):
                return {"accepted": done}
            chunk = store.to_accept(tx, project.id, row.predictor_key, row.above, last, CHUNK)
            if not chunk:
                history.record(
                    tx, workbench.now(), "accepted", project_id=project.id, user_id=job.created_by,
                    body={"acceptance": acceptance_id, "assets": done, "above": row.above},
                )  # fmt: skip
                return {"accepted": done}
            audited = [
                each.id
                for each in chunk
                if each.audit_above is None
                and shuffle_key(each.id, -acceptance_id) < project.settings.audit_accepted
            ]
            done += store.accept(
                tx, project.id, acceptance_id, [each.id for each in chunk], audited, row.above,
                project.settings.order, workbench.now(),
            )  # fmt: skip
            last = chunk[-1].id
            store.change_acceptance(tx, acceptance_id, accepted=done)
            total = int(row.evidence["waiting"])
            control.save(
                tx, done=done, total=max(total, done), cursor={"after": last}, message=f"{done:,} accepted"
            )


def _look_for_flags(workbench: Workbench, project_id: int, control: Control) -> None:
    """What was imported before there were flags is looked at first: only unflagged answers are accepted."""
    more = True
    while more:
        control.check()
        with workbench.store.write() as tx:
            project = projects.get(tx, project_id)
            more = project is not None and assets.look(tx, project_id, project.settings, CHUNK) > 0


def _run_revert(workbench: Workbench, job: Job, control: Control, acceptance_id: int) -> Report:
    done = job.done
    while True:
        control.check()
        with workbench.store.write() as tx:
            project = projects.get(tx, job.project_id or 0)
            if project is None:
                return {"put_back": done}
            now = workbench.now()
            found = store.put_back(tx, project.id, acceptance_id, project.settings.order, now, CHUNK)
            if not found:
                store.change_acceptance(tx, acceptance_id, state="reverted", ended_at=now)
                history.record(
                    tx, now, "reverted", project_id=project.id, user_id=job.created_by,
                    body={"acceptance": acceptance_id, "assets": done},
                )  # fmt: skip
                return {"put_back": done}
            done += found
            control.save(tx, done=done, message=f"{done:,} put back")
