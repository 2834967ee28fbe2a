"""Reads the kept replies of a run again, after the reading got better, without asking anybody."""

from decimal import Decimal

import sqlalchemy as sa

from labelwright.core.access import Actor
from labelwright.core.predictor import PromptedModel
from labelwright.flows import guard, knowledge, settle
from labelwright.flows.asked import read_answered
from labelwright.flows.predict import steered
from labelwright.store import asset as assets
from labelwright.store import exchange, work
from labelwright.store import run as runs
from labelwright.store import tables as t
from labelwright.store.db import Tx
from labelwright.workbench import Workbench

_CHUNK = 64


def reread(workbench: Workbench, actor: Actor, project_id: int, run_id: int) -> int:
    """Read the kept replies of an ended run again, without asking; returns how many came out differently.

    A different reading is a new prediction; the old one stays in the history.

    Raises:
        Conflict: The run has not ended.
    """
    with workbench.store.write() as tx:
        project = guard.project(tx, actor, project_id, "run_models")
        row = steered(tx, actor, project_id, run_id, ("done", "failed", "cancelled", "paused"), "read again")
        ontology = guard.ontology(tx, project_id, row.run.predictor.ontology_version)
        engine = row.run.predictor.engine
        if not isinstance(engine, PromptedModel):
            return 0
    lists = knowledge.lists_of(workbench, ontology)
    changed = 0
    for state in ("failed", "done"):
        after = 0
        while True:
            with workbench.store.write() as tx:
                kept = exchange.answered(tx, run_id, state, after, _CHUNK)
                if not kept:
                    break
                after = kept[-1].asset_id
                texts = assets.texts(tx, [each.asset_id for each in kept])
                before = work.predictions(tx, [each.prediction_id for each in kept if each.prediction_id])
                readings = {}
                for each in kept:
                    reading = read_answered(ontology, texts[each.asset_id], each, engine.decoding, lists)
                    old = before.get(each.prediction_id or 0)
                    if old is None and settle.failure_of(ontology, reading) is not None:
                        continue
                    if old is None or old.answers != reading.answers or old.confidence != reading.confidence:
                        cost = _cost_of(tx, run_id, each.asset_id)
                        readings[each.asset_id] = (reading, settle.latency_of(each.replies.values()), cost)
                ended = settle.store_readings(tx, project, row.run, ontology, readings, workbench.now())
                runs.finish(tx, run_id, ended, workbench.now())
                runs.recount(tx, run_id)
                changed += len(ended)
    return changed


def _cost_of(tx: Tx, run_id: int, asset_id: int) -> Decimal | None:
    found = tx.execute(
        sa.select(t.run_asset.c.cost_usd).where(
            t.run_asset.c.run_id == run_id, t.run_asset.c.asset_id == asset_id
        )
    ).scalar()
    return None if found is None else Decimal(str(found))
