"""Keeps watch over accepted answers: whenever one of them was audited, what was promised is tested again."""

from labelwright.core.access import Actor
from labelwright.core.project import Project
from labelwright.store import history, jobs
from labelwright.store import trust as store
from labelwright.store.db import Tx
from labelwright.workbench import Workbench


def check_promises(tx: Tx, workbench: Workbench, project: Project, actor: Actor) -> None:
    """Test each running acceptance against all audits so far, in the transaction of the audit that came in.

    A promise that the audits no longer show is marked as broken and, by the project's setting, taken back.
    """
    rows = store.acceptances(tx, project.id, active=True)
    if not rows:
        return
    from labelwright.core.trust import Promise, still_shown

    for row in rows:
        audits, wrong = store.audits_above(tx, project.id, row.predictor_key, row.above)
        holds = still_shown(
            audits, wrong, Promise.model_validate(row.promise), proven=bool(row.evidence["proven"])
        )
        if holds == (row.state == "active"):
            continue
        store.change_acceptance(tx, row.id, state="active" if holds else "broken")
        if holds:
            continue
        history.record(
            tx, workbench.now(), "promise_broken", project_id=project.id,
            body={"acceptance": row.id, "audits": audits, "wrong": wrong},
        )  # fmt: skip
        if project.settings.revert_when_broken:
            queue_revert(
                tx, workbench, project.id, row.id, actor.user_id, "audits no longer show what was promised"
            )


def queue_revert(
    tx: Tx, workbench: Workbench, project_id: int, acceptance_id: int, user_id: int, because: str
) -> int:
    """Queue the job that takes an acceptance back; returns its id. No further asset is accepted under it."""
    store.change_acceptance(tx, acceptance_id, state="reverting", ended_because=because)
    params = {"acceptance_id": acceptance_id, "action": "revert"}
    return jobs.add(tx, "accept", project_id, params, user_id, workbench.now())
