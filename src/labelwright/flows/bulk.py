"""One action on many assets of the table at once.

Hides which assets an action may touch and why others are left out. A call takes up to `MOST` assets and is one
transaction; a door that has more of them asks several times, which is also how it shows progress and can stop. What was
changed comes back, so that the opposite action undoes it.
"""

import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

from pydantic import Field

from labelwright.core.access import Action, Actor
from labelwright.core.annotation import Annotation, EventKind, Skip
from labelwright.core.conform import conform
from labelwright.core.project import Project
from labelwright.core.value import Value
from labelwright.flows import annotate, guard, knowledge, series
from labelwright.store import asset as assets
from labelwright.store import economics, history, work
from labelwright.store import transfer as store
from labelwright.store.db import Tx, lock_project
from labelwright.workbench import Workbench

BulkAction = Literal["accept", "take_back", "skip", "unskip", "release", "gold", "not_gold"]
"""`accept`: the model's answers become the caller's own submissions. `take_back`: the caller's submissions no longer
count. `skip`, `unskip`: set aside by the caller, or no longer. `release`: whoever holds them gives them back. `gold`: the
newest answers of a person become trusted ones. `not_gold`: no longer trusted."""

LeftOut = Literal["not_here", "no_answer", "unfit", "withheld", "audit", "held", "answered", "unchanged"]
"""Why an asset was left out: it is not of this project; there is no answer to use; the answers are incomplete or fit the
questions no longer; the caller is to label it without a suggestion; it was drawn for an audit, so somebody has to look at
it alone; another person works on it; it is answered already; there was nothing to change."""

MOST = 500
"""Assets per call: about a second of work, for which other writers wait."""

WHY = "bulk"
"""Kept as the reason of a submission that was accepted among many: it is a person's answer, but no measured look at the
model's, so figures of agreement and trust leave it out."""

_NEEDS: dict[BulkAction, tuple[Action, ...]] = {
    "accept": ("label", "see_assets"),
    "take_back": ("label", "see_assets"),
    "skip": ("label", "see_assets"),
    "unskip": ("label", "see_assets"),
    "release": ("review",),
    "gold": ("review",),
    "not_gold": ("review",),
}


class BulkWanted(Value):
    """An action, and the assets it is meant for; an asset named twice counts once."""

    action: BulkAction
    asset_ids: tuple[int, ...] = Field(min_length=1, max_length=MOST)


class BulkDone(Value):
    """What came of it.

    Attributes:
        changed: Assets the action changed, in the order in which they were named.
        left_out: Reason -> how many were left out for it.
    """

    changed: tuple[int, ...]
    left_out: dict[LeftOut, int]


def act(workbench: Workbench, actor: Actor, project_id: int, wanted: BulkWanted) -> BulkDone:
    """Do one thing to many assets, all of it or nothing.

    Raises:
        NotAllowed: The actor's role does not allow it.
    """
    with workbench.store.write() as tx:
        for needed in _NEEDS[wanted.action]:
            project = guard.project(tx, actor, project_id, needed)
        return _Bulk(workbench, tx, actor, project).do(wanted)


class _Bulk:
    """One call: the assets that are left, and the reasons for which others are not."""

    def __init__(self, workbench: Workbench, tx: Tx, actor: Actor, project: Project) -> None:
        self.workbench, self.tx, self.actor, self.project = workbench, tx, actor, project
        self.now = workbench.now()
        self.left_out: Counter[LeftOut] = Counter()

    def do(self, wanted: BulkWanted) -> BulkDone:
        named = tuple(dict.fromkeys(wanted.asset_ids))
        here = assets.ids_in(self.tx, self.project.id, named)
        ids = self._without(named, set(named) - here, "not_here")
        match wanted.action:
            case "accept":
                changed = self._accept(ids)
            case "take_back":
                changed = self._take_back(ids)
            case "skip":
                changed = self._skip(ids)
            case "unskip":
                changed = self._unskip(ids)
            case "release":
                changed = self._release(ids)
            case "gold":
                changed = self._gold(ids)
            case "not_gold":
                changed = self._not_gold(ids)
        return BulkDone(changed=tuple(changed), left_out=dict(sorted(self.left_out.items())))

    def _without(self, ids: Sequence[int], gone: Iterable[int], why: LeftOut) -> list[int]:
        out = set(gone)
        self.left_out[why] += len(out.intersection(ids))
        if not self.left_out[why]:
            del self.left_out[why]
        return [asset_id for asset_id in ids if asset_id not in out]

    def _refresh(self, ids: Sequence[int], kind: EventKind) -> None:
        """Derive what follows from the change, and note it in the history of each asset."""
        assets.refresh_many(
            self.tx, self.project.id, {key: {} for key in ids}, self.project.settings, self.now
        )
        self._note(ids, kind)

    def _note(self, ids: Sequence[int], kind: EventKind) -> None:
        for asset_id in ids:
            history.record(
                self.tx, self.now, kind, project_id=self.project.id, asset_id=asset_id, user_id=self.actor.user_id,
                body={"together_with": len(ids) - 1},
            )  # fmt: skip

    # --- answers --------------------------------------------------------------------------------------------------

    def _accept(self, ids: list[int]) -> list[int]:
        tx, me = self.tx, self.actor.user_id
        lock_project(tx, self.project.id, "submit")
        found = assets.get_many(tx, ids)
        ids = self._without(ids, (i for i in ids if found[i].status == "labelled"), "answered")
        ids = self._without(ids, work.answered_by(tx, me, ids), "answered")
        hidden = {i for i, arm in economics.arms(tx, me, ids).items() if arm == "hidden"}
        ids = self._without(ids, hidden, "withheld")
        ids = self._without(ids, assets.drawn_for_audit(tx, ids), "audit")
        ids = self._without(ids, work.held_by_others(tx, me, ids, self.now), "held")
        said = work.current_predictions(tx, ids)
        ids = self._without(ids, (i for i in ids if i not in said or not said[i].answers.root), "no_answer")
        ontology = guard.ontology(tx, self.project.id, self.project.ontology_version)
        unfit = []
        for asset_id in ids:
            answers = said[asset_id].answers
            problems = conform(ontology, answers, found[asset_id].extent)
            if problems or knowledge.check_links(self.workbench, ontology, answers):
                unfit.append(asset_id)
        ids = self._without(ids, unfit, "unfit")
        day = assets.day_counter(self.now.date().isoformat())
        assets.count(tx, self.project.id, {"submissions": len(ids), day: len(ids)})
        seq = assets.counter(tx, self.project.id, "submissions") - len(ids)
        arms = economics.arms(tx, me, ids)
        for n, asset_id in enumerate(ids, start=1):
            new = Annotation(
                id=str(uuid.UUID(bytes=self.workbench.random_bytes(16), version=4)), asset_id=asset_id, author_id=me,
                ontology_version=ontology.version, answers=said[asset_id].answers, arm=arms.get(asset_id),
                prediction_id=said[asset_id].id, created_at=self.now,
            )  # fmt: skip
            work.add_annotation(tx, self.project.id, new, changed=False, seq=seq + n, why=WHY)
            economics.judge_asset(tx, self.project.id, asset_id)
        work.forget(tx, me, ids)
        self._refresh(ids, "submitted")
        if ids:
            annotate.learn_when_due(tx, self.workbench, self.project, seq + len(ids), self.actor)
        self._reviewed({found[i].batch for i in ids})
        return ids

    def _take_back(self, ids: list[int]) -> list[int]:
        mine = work.answered_by(self.tx, self.actor.user_id, ids)
        ids = self._without(ids, set(ids) - mine.keys(), "unchanged")
        for asset_id in ids:
            work.take_back(self.tx, mine[asset_id])
            economics.judge_asset(self.tx, self.project.id, asset_id)
        self._refresh(ids, "taken_back")
        return ids

    # --- the queue ------------------------------------------------------------------------------------------------

    def _skip(self, ids: list[int]) -> list[int]:
        tx, me = self.tx, self.actor.user_id
        ids = self._without(ids, work.answered_by(tx, me, ids), "answered")
        ids = self._without(ids, work.set_aside_by(tx, me, ids), "unchanged")
        for asset_id in ids:
            work.add_skip(tx, Skip(asset_id=asset_id, user_id=me), self.now)
        work.release(tx, ids, me)
        self._refresh(ids, "skipped")
        self._reviewed({asset.batch for asset in assets.get_many(tx, ids).values()})
        return ids

    def _unskip(self, ids: list[int]) -> list[int]:
        aside = work.set_aside_by(self.tx, self.actor.user_id, ids)
        ids = self._without(ids, set(ids) - aside, "unchanged")
        for asset_id in ids:
            work.drop_skip(self.tx, asset_id, self.actor.user_id)
        self._refresh(ids, "unskipped")
        return ids

    def _release(self, ids: list[int]) -> list[int]:
        held = work.held(self.tx, ids, self.now)
        ids = self._without(ids, set(ids) - held, "unchanged")
        work.release_from_all(self.tx, ids)
        self._note(ids, "released")
        return ids

    def _reviewed(self, batches: set[int | None]) -> None:
        for batch in sorted(each for each in batches if each is not None):
            series.when_reviewed(self.tx, self.workbench, self.project, batch)

    # --- gold -----------------------------------------------------------------------------------------------------

    def _gold(self, ids: list[int]) -> list[int]:
        tx = self.tx
        ids = self._without(ids, store.gold_among(tx, ids), "unchanged")
        newest = {i: each[-1] for i, each in work.current_for_assets(tx, ids, {}).items()}
        ids = self._without(ids, set(ids) - newest.keys(), "no_answer")
        found = assets.get_many(tx, ids)
        ontology = guard.ontology(tx, self.project.id, self.project.ontology_version)
        # What is trusted has to fit what is asked now; older answers may lack a new question, which then is not scored.
        unfit = [i for i in ids if conform(ontology, newest[i].answers, found[i].extent, complete=False)]
        ids = self._without(ids, unfit, "unfit")
        for asset_id in ids:
            store.set_gold(tx, self.project.id, asset_id, newest[asset_id].answers, self.now)
        self._judge_gold(ids, len(ids), "gold_marked")
        return ids

    def _not_gold(self, ids: list[int]) -> list[int]:
        gold = store.gold_among(self.tx, ids)
        ids = self._without(ids, set(ids) - gold, "unchanged")
        store.drop_gold(self.tx, ids)
        self._judge_gold(ids, -len(ids), "gold_unmarked")
        return ids

    def _judge_gold(self, ids: Sequence[int], more: int, kind: EventKind) -> None:
        assets.count(self.tx, self.project.id, {"gold": more})
        for asset_id in ids:
            economics.judge_asset(self.tx, self.project.id, asset_id)
        self._note(ids, kind)
