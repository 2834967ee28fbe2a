"""Hands assets out: the least confident first, audits mixed in, never the same asset to more people than wanted."""

from datetime import timedelta

from labelwright.core.access import Actor
from labelwright.core.annotation import Draft
from labelwright.core.answer import Answers
from labelwright.core.arms import Arm
from labelwright.core.asset import Asset
from labelwright.core.flags import Flag, find_all
from labelwright.core.predictor import Prediction
from labelwright.core.project import Project
from labelwright.core.queue import EVERYTHING, Stream, Why, stream_of, why_of
from labelwright.core.value import Value
from labelwright.flows import guard
from labelwright.store import asset as assets
from labelwright.store import economics, work
from labelwright.store import project as projects
from labelwright.store.db import Tx, lock_project
from labelwright.workbench import Workbench

WHY_TEXT: dict[Why, str] = {
    "least_confident": "the model is least sure of it",
    "audit": "a random check of an answer the model is sure of",
    "sample": "a random check, so that the figures hold for all texts",
    "not_predicted": "no model answered it yet; drawn at random",
    "arrival": "next in order of arrival",
    "random": "drawn at random",
    "sent_back": "sent back to you",
    "again": "you asked for it again",
    "flagged": "it may try to tell the model what to answer, or hides characters",
}
WITHOUT = (
    "drawn at random to be labelled without a suggestion, so that the help of suggestions can be measured"
)


class Turn(Value):
    """An asset handed to a person, with all that is needed to show it.

    Attributes:
        arm: Whether the suggestion is shown or withheld, where that was drawn at random.
        flags: Places that deserve a look: words aimed at a model, characters nobody sees.
        answers: What the person already answered, when they come back to it.
        parent_id: Their earlier submission that a new one would replace.
    """

    asset: Asset
    prediction: Prediction | None
    draft: Draft | None
    why: Why
    why_text: str
    ontology_version: int
    arm: Arm | None = None
    flags: tuple[Flag, ...] = ()
    parent_id: str | None = None
    answers: Answers | None = None


class Hand(Value):
    """What a person was handed; `reason` says why there is nothing."""

    turns: tuple[Turn, ...]
    reason: str = ""
    message: str = ""


def take(workbench: Workbench, actor: Actor, project_id: int, n: int, hold: tuple[int, ...] = ()) -> Hand:
    """Lease up to `n` assets to the actor.

    Args:
        workbench: The windows to the world.
        actor: Who labels.
        project_id: Where.
        n: How many, 1 to 20.
        hold: Assets the browser has already; they are neither repeated nor released.
    """
    now = workbench.now()
    with workbench.store.write() as tx:
        project = guard.project(tx, actor, project_id, "label")
        lock_project(tx, project_id, "take")
        # What the person holds but the browser does not know of (a reload, a crash) comes first.
        chosen = [pair for pair in work.held_by(tx, project_id, actor.user_id, now) if pair[0] not in hold][
            :n
        ]
        drawn = _choose(tx, workbench, actor, project, n - len(chosen), (*hold, *(i for i, _ in chosen)))
        until = now + timedelta(seconds=project.settings.lease_s)
        work.renew(tx, [asset_id for asset_id, _ in chosen], actor.user_id, until)
        for asset_id, why, drawn_above in drawn:
            work.lease(tx, asset_id, actor.user_id, until, why, drawn_above)
        _draw_arms(tx, actor, project, [i for i, _ in chosen] + [i for i, _, _ in drawn])
        if drawn:
            work.add_takes(tx, project_id, actor.user_id, len(drawn))
        turns = show(tx, actor, project, [*chosen, *((asset_id, why) for asset_id, why, _ in drawn)])
        if turns or hold:
            return Hand(turns=tuple(turns))
        reason, message = _why_nothing(tx, workbench, actor, project_id)
        return Hand(turns=(), reason=reason, message=message)


def _choose(
    tx: Tx, workbench: Workbench, actor: Actor, project: Project, n: int, leave_out: tuple[int, ...]
) -> list[tuple[int, Why, float | None]]:
    """(asset id, why, drawn at random above which confidence)."""
    settings, taken = project.settings, list(leave_out)
    number = work.take_number(tx, project.id, actor.user_id)
    floor = projects.learning(tx, project.id).audit_floor
    chosen: list[tuple[int, Why, float | None]] = []
    for i in range(n):
        wanted = stream_of(number + i, settings.audit_share) if settings.order == "uncertain" else "uncertain"
        streams: tuple[Stream, ...] = (wanted, "uncertain") if wanted != "uncertain" else (wanted,)
        for stream in streams:
            found = work.next_in(
                tx,
                project.id,
                actor.user_id,
                stream,
                people_per_asset=settings.people_per_asset,
                audit_floor=floor,
                now=workbench.now(),
                leave_out=taken,
                limit=1,
            )
            if found:
                next_one = found[0]
                drawn_above = next_one.audit_above
                if stream != "uncertain":
                    reach = floor if stream == "audit" else 0.0
                    drawn_above = reach if drawn_above is None else min(drawn_above, reach)
                elif settings.order == "random":
                    drawn_above = EVERYTHING
                why = why_of(
                    stream, next_one.confidence, next_one.audit_above is not None, bool(next_one.flags)
                )
                if settings.order != "uncertain" and why != "audit":
                    why = settings.order
                chosen.append((next_one.id, why, drawn_above))
                taken.append(next_one.id)
                break
        else:
            break
    return chosen


def _draw_arms(tx: Tx, actor: Actor, project: Project, asset_ids: list[int]) -> None:
    """Decide by lot which of these are shown without their suggestion; those without one take no part."""
    share = project.settings.no_suggestion_share
    if share <= 0:
        return
    predicted = work.current_predictions(tx, asset_ids)
    asked = [asset_id for asset_id in asset_ids if asset_id in predicted]
    seed = projects.learning(tx, project.id).seed
    economics.draw_arms(tx, project.id, actor.user_id, asked, share, seed)


def show(tx: Tx, actor: Actor, project: Project, chosen: list[tuple[int, Why]]) -> list[Turn]:
    """Turns for assets, in the given order."""
    ids = [asset_id for asset_id, _ in chosen]
    found, predictions = assets.get_many(tx, ids), work.current_predictions(tx, ids)
    arms = economics.arms(tx, actor.user_id, ids)
    turns = []
    for asset_id, why in chosen:
        asset, arm = found[asset_id], arms.get(asset_id)
        if arm == "hidden":
            # What the browser does not get, nobody can see there.
            asset = asset.model_copy(update={"confidence": None})
            predictions.pop(asset_id, None)
        mine = work.current_of(tx, asset_id, actor.user_id)
        turns.append(
            Turn(
                asset=asset,
                prediction=predictions.get(asset_id),
                draft=work.draft(tx, asset_id, actor.user_id),
                why=why,
                why_text=WITHOUT if arm == "hidden" else WHY_TEXT[why],
                arm=arm,
                flags=tuple(find_all(asset.text or "", asset.metadata)),
                ontology_version=project.ontology_version,
                parent_id=mine.id if mine is not None else None,
                answers=mine.answers if mine is not None else None,
            )
        )
    return turns


def open_asset(workbench: Workbench, actor: Actor, project_id: int, asset_id: int) -> Turn:
    """One chosen asset to label or correct, out of order; leased like any other."""
    with workbench.store.write() as tx:
        project = guard.project(tx, actor, project_id, "label")
        guard.project(tx, actor, project_id, "see_assets")
        guard.asset(tx, project_id, asset_id)
        until = workbench.now() + timedelta(seconds=project.settings.lease_s)
        # Whoever opens an asset that was drawn for an audit answers that audit.
        drawn_above = work.why_handed_out(tx, asset_id, actor.user_id)[1]
        work.lease(tx, asset_id, actor.user_id, until, "again", drawn_above)
        return show(tx, actor, project, [(asset_id, "again")])[0]


def release(workbench: Workbench, actor: Actor, project_id: int, asset_ids: tuple[int, ...]) -> None:
    """Give assets back to the queue."""
    with workbench.store.write() as tx:
        guard.project(tx, actor, project_id, "label")
        work.release(tx, asset_ids, actor.user_id)


def renew(workbench: Workbench, actor: Actor, project_id: int, asset_ids: tuple[int, ...]) -> int:
    """Keep assets for longer; returns how many leases still existed."""
    with workbench.store.write() as tx:
        project = guard.project(tx, actor, project_id, "label")
        until = workbench.now() + timedelta(seconds=project.settings.lease_s)
        return work.renew(tx, asset_ids, actor.user_id, until)


def unskip(workbench: Workbench, actor: Actor, project_id: int) -> int:
    """Show the assets the actor set aside again; returns how many."""
    with workbench.store.write() as tx:
        project = guard.project(tx, actor, project_id, "label")
        ids = work.skipped_by(tx, project_id, actor.user_id)
        for asset_id in ids:
            work.drop_skip(tx, asset_id, actor.user_id)
            assets.refresh(tx, project_id, asset_id, project.settings, workbench.now())
        return len(ids)


def _why_nothing(tx: Tx, workbench: Workbench, actor: Actor, project_id: int) -> tuple[str, str]:
    counters = assets.counters(tx, project_id)
    still_open = sum(counters.get(name, 0) for name in ("new", "predicted", "in_progress", "skipped"))
    accepted = counters.get("accepted", 0)
    if still_open + accepted + counters.get("labelled", 0) == 0:
        return "empty", "There is nothing here yet. Import a file first."
    if still_open == 0 and accepted:
        return "finished", f"Everything is labelled, {accepted:,} of it by accepting the model's answers."
    if still_open == 0:
        return "finished", "Everything is labelled."
    skipped = len(work.skipped_by(tx, project_id, actor.user_id))
    if skipped:
        return "skipped", f"Only assets that you skipped are left ({skipped})."
    held = work.others_holding(tx, project_id, actor.user_id, workbench.now())
    if held:
        return (
            "held",
            f"Other people are working on the last {held}. They come back here if they are not finished.",
        )
    return "answered", "You answered everything that is open; the rest waits for other people."
