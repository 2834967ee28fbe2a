"""Looking at assets: the table with filters, and everything about one asset. Reads only."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from labelwright.core.access import Actor
from labelwright.core.annotation import Annotation, Draft, Event, Skip
from labelwright.core.answer import Answers
from labelwright.core.asset import Asset, Status
from labelwright.core.flags import Flag, FlagKind, find_all
from labelwright.core.ontology import Ontology
from labelwright.core.predictor import Prediction
from labelwright.core.value import Id, Probability, Value
from labelwright.flows import guard
from labelwright.store import asset as assets
from labelwright.store import economics, history, people, table, work
from labelwright.workbench import Workbench


class Filter(Value):
    """Which assets are wanted; all given conditions hold.

    Attributes:
        label: A label id in the shown answers (people's if there are any, else the model's).
        flag: A kind of flag (`core.flags`), or `any`.
        text: Occurs in the text or the external id, whatever the case.
        model_vs_human: `changed`: a person changed what the model said; `kept`: they did not.
    """

    status: Status | None = None
    label: Id | None = None
    confidence_below: Probability | None = None
    confidence_above: Probability | None = None
    text: str = Field(default="", max_length=500)
    flag: FlagKind | Literal["any"] | None = None
    batch: int | None = None
    author_id: int | None = None
    gold: bool | None = None
    model_vs_human: Literal["changed", "kept"] | None = None


Order = Literal["id", "confidence"]

MOST_IDS = 10_000
"""What can be chosen at once; more is a job for the export or for rules."""


class AssetRow(Value):
    """An asset in the table; its text is cut.

    Attributes:
        answers: Of people, if there are any, else of the model.
        suggested: What the model said of an image that people answered too, to be seen beside their answers.
    """

    asset: Asset
    answers_by: Literal["person", "model"] | None
    answers: Answers | None
    suggested: Answers | None = None
    annotations: int
    gold: bool
    updated_at: datetime


class Page(Value):
    """Rows, and the cursor of the next page."""

    rows: list[AssetRow]
    next: str | None


class Ids(Value):
    """Assets of a filter.

    Attributes:
        more: Whether there are others that are not in here.
    """

    asset_ids: list[int]
    more: bool


class AssetView(Value):
    """Everything about one asset.

    Attributes:
        withheld: The caller is to label it without a suggestion, so it is not in here until they did.
    """

    asset: Asset
    ontology: Ontology
    prediction: Prediction | None
    annotations: list[Annotation]
    draft: Draft | None
    skips: list[Skip]
    events: list[Event]
    names: dict[int, str]
    flags: tuple[Flag, ...] = ()
    withheld: bool = False


def page(
    workbench: Workbench,
    actor: Actor,
    project_id: int,
    wanted: Filter,
    order: Order,
    after: str | None,
    limit: int,
) -> Page:
    """One page of the table, by key and not by offset, so that page 10,000 costs what page 1 does."""
    with workbench.store.read() as tx:
        guard.project(tx, actor, project_id, "see_assets")
        found = table.page(tx, project_id, wanted.model_dump(exclude_none=True), order, after, limit)
        by_people = table.latest_answers(tx, [row.id for row in found.rows])
        wanted_of = [row.id for row in found.rows if row.id not in by_people or row.modality == "image"]
        by_model = work.current_predictions(tx, wanted_of)
        withheld = economics.withheld_from(tx, actor.user_id, [row.id for row in found.rows])
        by_model = {asset_id: said for asset_id, said in by_model.items() if asset_id not in withheld}
        rows = [
            AssetRow(
                asset=_without_confidence(assets.asset_from(row, row.cut), row.id in withheld),
                answers_by="person" if row.id in by_people else "model" if row.id in by_model else None,
                answers=by_people.get(row.id) or (by_model[row.id].answers if row.id in by_model else None),
                suggested=by_model[row.id].answers if row.id in by_people and row.id in by_model else None,
                annotations=row.annotations,
                gold=row.gold,
                updated_at=row.updated_at,
            )
            for row in found.rows
        ]
        return Page(rows=rows, next=found.next)


def ids(workbench: Workbench, actor: Actor, project_id: int, wanted: Filter, order: Order) -> Ids:
    """All assets of a filter by id, to do something with them at once; the first `MOST_IDS` of more."""
    with workbench.store.read() as tx:
        guard.project(tx, actor, project_id, "see_assets")
        found = table.ids(tx, project_id, wanted.model_dump(exclude_none=True), order, MOST_IDS + 1)
    return Ids(asset_ids=found[:MOST_IDS], more=len(found) > MOST_IDS)


def _without_confidence(asset: Asset, withheld: bool) -> Asset:
    return asset.model_copy(update={"confidence": None}) if withheld else asset


def view(workbench: Workbench, actor: Actor, project_id: int, asset_id: int) -> AssetView:
    """One asset with all that was ever said of it."""
    with workbench.store.read() as tx:
        project = guard.project(tx, actor, project_id, "see_assets")
        asset = guard.asset(tx, project_id, asset_id)
        annotations = work.annotations_of(tx, asset_id)
        skips = work.skips_of(tx, asset_id)
        events = history.of_asset(tx, asset_id)
        withheld = asset_id in economics.withheld_from(tx, actor.user_id, [asset_id])
        known = {a.author_id for a in annotations} | {s.user_id for s in skips}
        known |= {e.user_id for e in events if e.user_id is not None}
        return AssetView(
            asset=_without_confidence(asset, withheld),
            ontology=guard.ontology(tx, project_id, project.ontology_version),
            prediction=None if withheld else work.current_predictions(tx, [asset_id]).get(asset_id),
            annotations=annotations,
            draft=work.draft(tx, asset_id, actor.user_id),
            skips=skips,
            events=events,
            names=people.display_names(tx, sorted(known)),
            flags=tuple(find_all(asset.text or "", asset.metadata)),
            withheld=withheld,
        )
