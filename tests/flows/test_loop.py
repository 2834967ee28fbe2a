"""The loop of labeling on both databases: hand out, submit, take back, skip; nothing twice, nothing lost."""

import threading
from collections import Counter
from datetime import timedelta

import pytest

from labelwright.core.access import Actor
from labelwright.core.answer import Answers, ChoiceAnswer
from labelwright.core.errors import Conflict, Invalid, NotAllowed, NotFound
from labelwright.core.project import ProjectSettings
from labelwright.core.queue import Candidate, arrange
from labelwright.flows import annotate, browse, people, setup, take
from labelwright.store import asset as assets
from labelwright.store import project as projects
from labelwright.workbench import Workbench
from tests.factories import (
    NEGATIVE,
    POSITIVE,
    SENTIMENT,
    add_assets,
    add_person,
    add_project,
    predict,
    submission,
)


def test_the_least_confident_asset_comes_first_and_says_why(workbench: Workbench) -> None:
    ana = add_person(workbench)
    project = add_project(workbench, ana, settings=ProjectSettings(audit_share=0))
    ids = add_assets(workbench, project, ["a", "b", "c", "d"])
    for asset_id, confidence in zip(ids[:3], (0.9, 0.3, 0.6), strict=True):
        predict(workbench, project, asset_id, confidence)
    hand = take.take(workbench, ana, project.id, 4)
    assert [turn.asset.id for turn in hand.turns] == [ids[1], ids[2], ids[0], ids[3]]
    assert [turn.why for turn in hand.turns] == ["least_confident"] * 3 + ["not_predicted"]
    assert hand.turns[0].prediction is not None
    assert hand.turns[0].prediction.answers == POSITIVE


def test_the_store_serves_the_order_that_the_pure_rule_states(workbench: Workbench) -> None:
    ana = add_person(workbench)
    project = add_project(workbench, ana, settings=ProjectSettings(audit_share=0.25))
    ids = add_assets(workbench, project, [f"text {i}" for i in range(24)])
    candidates = []
    for n, asset_id in enumerate(ids):
        confidence = None if n % 6 == 5 else ((n * 7) % 24) / 24
        candidates.append(Candidate(asset_id=asset_id, confidence=confidence))
        if confidence is not None:
            predict(workbench, project, asset_id, confidence)
    known = sorted(c.confidence for c in candidates if c.confidence is not None)
    with workbench.store.write() as tx:
        projects.change(tx, project.id, audit_floor=known[len(known) // 2])
    served: list[tuple[int, str]] = []
    for _ in range(24):
        hand = take.take(workbench, ana, project.id, 1, tuple(i for i, _ in served))
        served += [(turn.asset.id, turn.why) for turn in hand.turns]
    # A turn of the rule whose stream's head was given already falls to that stream's next asset, as in the store.
    assert served == [(turn.asset_id, turn.why) for turn in arrange(candidates, 0.25, seed=0)]


def test_eight_people_at_once_never_get_the_same_asset(workbench: Workbench) -> None:
    manager = add_person(workbench, "manager")
    project = add_project(workbench, manager)
    ids = add_assets(workbench, project, [f"text {i}" for i in range(60)])
    crowd = [add_person(workbench, f"p{i}") for i in range(8)]
    for person in crowd:
        people.set_member(workbench, manager, project.id, person.user_id, "annotator")
    given: list[int] = []
    lock = threading.Lock()
    failures: list[BaseException] = []

    def work(person: Actor) -> None:
        try:
            while True:
                hand = take.take(workbench, person, project.id, 2)
                if not hand.turns:
                    return
                for turn in hand.turns:
                    with lock:
                        given.append(turn.asset.id)
                    annotate.submit(workbench, person, project.id, turn.asset.id, submission())
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(person,)) for person in crowd]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert Counter(given) == Counter(ids)
    with workbench.store.read() as tx:
        assert assets.counters(tx, project.id)["labelled"] == 60


def test_two_people_per_asset_are_two_different_people(workbench: Workbench) -> None:
    ana, ben = add_person(workbench, "ana"), add_person(workbench, "ben")
    project = add_project(workbench, ana, settings=ProjectSettings(people_per_asset=2))
    people.set_member(workbench, ana, project.id, ben.user_id, "annotator")
    (asset_id,) = add_assets(workbench, project, ["only"])
    assert take.take(workbench, ana, project.id, 1).turns[0].asset.id == asset_id
    assert annotate.submit(workbench, ana, project.id, asset_id, submission()).status == "in_progress"
    nothing = take.take(workbench, ana, project.id, 1)
    assert (nothing.turns, nothing.reason) == ((), "answered")
    assert take.take(workbench, ben, project.id, 1).turns[0].asset.id == asset_id
    assert annotate.submit(workbench, ben, project.id, asset_id, submission(NEGATIVE)).status == "labelled"
    assert take.take(workbench, ben, project.id, 1).reason == "finished"


def test_the_same_submission_sent_again_is_stored_once(workbench: Workbench) -> None:
    ana = add_person(workbench)
    project = add_project(workbench, ana)
    (asset_id,) = add_assets(workbench, project, ["x"])
    sent = submission()
    first = annotate.submit(workbench, ana, project.id, asset_id, sent)
    again = annotate.submit(workbench, ana, project.id, asset_id, sent)
    assert (first.outcome, again.outcome) == ("stored", "repeated")
    assert again.annotation.id == first.annotation.id
    assert len(browse.view(workbench, ana, project.id, asset_id).annotations) == 1
    with pytest.raises(Conflict, match="something else"):
        annotate.submit(workbench, ana, project.id, asset_id, sent.model_copy(update={"answers": NEGATIVE}))


def test_a_stale_tab_is_told_and_the_newer_work_stays(workbench: Workbench) -> None:
    ana = add_person(workbench)
    project = add_project(workbench, ana)
    (asset_id,) = add_assets(workbench, project, ["x"])
    first = annotate.submit(workbench, ana, project.id, asset_id, submission())
    with pytest.raises(Conflict, match="another window"):
        annotate.submit(workbench, ana, project.id, asset_id, submission(NEGATIVE))
    fixed = submission(NEGATIVE, parent_id=first.annotation.id)
    assert annotate.submit(workbench, ana, project.id, asset_id, fixed).outcome == "stored"
    view = browse.view(workbench, ana, project.id, asset_id)
    assert [a.answers for a in view.annotations] == [POSITIVE, NEGATIVE], "both versions are kept"


def test_a_second_opinion_on_a_finished_asset_is_kept(workbench: Workbench) -> None:
    ana, ben = add_person(workbench, "ana"), add_person(workbench, "ben")
    project = add_project(workbench, ana)
    people.set_member(workbench, ana, project.id, ben.user_id, "annotator")
    (asset_id,) = add_assets(workbench, project, ["x"])
    annotate.submit(workbench, ana, project.id, asset_id, submission())
    receipt = annotate.submit(workbench, ben, project.id, asset_id, submission(NEGATIVE))
    assert receipt.outcome == "extra_opinion"
    assert len(browse.view(workbench, ana, project.id, asset_id).annotations) == 2


def test_taking_back_reopens_the_asset_with_the_answers_as_draft(workbench: Workbench) -> None:
    ana = add_person(workbench)
    project = add_project(workbench, ana)
    add_assets(workbench, project, ["x", "y"])
    turn = take.take(workbench, ana, project.id, 1).turns[0]
    done = annotate.submit(workbench, ana, project.id, turn.asset.id, submission(NEGATIVE))
    back = annotate.take_back(workbench, ana, project.id, done.annotation.id)
    assert back.asset.id == turn.asset.id
    assert back.draft is not None
    assert back.draft.answers == NEGATIVE
    counts = setup.view_project(workbench, ana, project.id).counts
    assert (counts["new"], counts["labelled"]) == (2, 0)
    with pytest.raises(Conflict):
        annotate.take_back(workbench, ana, project.id, done.annotation.id)
    assert annotate.submit(workbench, ana, project.id, turn.asset.id, submission()).outcome == "stored"


def test_a_skipped_asset_goes_last_for_others_and_can_come_back(workbench: Workbench) -> None:
    ana, ben = add_person(workbench, "ana"), add_person(workbench, "ben")
    project = add_project(workbench, ana, settings=ProjectSettings(order="arrival"))
    people.set_member(workbench, ana, project.id, ben.user_id, "annotator")
    ids = add_assets(workbench, project, ["a", "b"])
    assert take.take(workbench, ana, project.id, 1).turns[0].asset.id == ids[0]
    assert annotate.skip(workbench, ana, project.id, ids[0], "not English") == "skipped"
    assert [x.asset.id for x in take.take(workbench, ana, project.id, 5).turns] == [ids[1]]
    take.release(workbench, ana, project.id, (ids[1],))
    assert [x.asset.id for x in take.take(workbench, ben, project.id, 5).turns] == [ids[1], ids[0]]
    take.release(workbench, ben, project.id, tuple(ids))
    annotate.submit(workbench, ana, project.id, ids[1], submission())
    assert take.take(workbench, ana, project.id, 1).reason == "skipped"
    assert take.unskip(workbench, ana, project.id) == 1
    assert take.take(workbench, ana, project.id, 1).turns[0].asset.id == ids[0]


def test_a_lease_that_ran_out_frees_the_asset_but_its_holder_may_still_submit(workbench: Workbench) -> None:
    ana, ben = add_person(workbench, "ana"), add_person(workbench, "ben")
    project = add_project(workbench, ana, settings=ProjectSettings(lease_s=60))
    people.set_member(workbench, ana, project.id, ben.user_id, "annotator")
    (asset_id,) = add_assets(workbench, project, ["x"])
    start = workbench.now()
    workbench.clock = lambda: start
    take.take(workbench, ana, project.id, 1)
    assert take.take(workbench, ben, project.id, 1).reason == "held"
    workbench.clock = lambda: start + timedelta(seconds=61)
    assert take.take(workbench, ben, project.id, 1).turns[0].asset.id == asset_id
    assert annotate.submit(workbench, ana, project.id, asset_id, submission()).outcome == "stored"


def test_answers_that_break_the_ontology_are_refused_with_their_path(workbench: Workbench) -> None:
    ana = add_person(workbench)
    project = add_project(workbench, ana)
    (asset_id,) = add_assets(workbench, project, ["x"])
    wrong = Answers.of({"sentiment": ChoiceAnswer(labels=("meh",))})
    with pytest.raises(Invalid) as caught:
        annotate.submit(workbench, ana, project.id, asset_id, submission(wrong))
    assert [p.where for p in caught.value.problems] == ["sentiment/labels/0"]
    assert browse.view(workbench, ana, project.id, asset_id).annotations == []


def test_work_under_an_older_ontology_is_kept_and_what_no_longer_fits_is_listed(workbench: Workbench) -> None:
    ana = add_person(workbench)
    project = add_project(workbench, ana)
    (asset_id,) = add_assets(workbench, project, ["x"])
    question = SENTIMENT.questions[0]
    fewer = question.model_copy(update={"labels": question.labels[1:]})  # type: ignore[union-attr]
    setup.change_ontology(workbench, ana, project.id, 1, SENTIMENT.model_copy(update={"questions": (fewer,)}))
    receipt = annotate.submit(workbench, ana, project.id, asset_id, submission(POSITIVE))
    assert receipt.outcome == "stored"
    assert [p.code for p in receipt.problems] == ["retired_label"]
    with pytest.raises(Conflict, match="version 2"):
        setup.change_ontology(workbench, ana, project.id, 1, SENTIMENT)


def test_an_older_draft_never_replaces_a_newer_one_and_submitting_forgets_it(workbench: Workbench) -> None:
    ana = add_person(workbench)
    project = add_project(workbench, ana)
    (asset_id,) = add_assets(workbench, project, ["x"])
    annotate.save_draft(workbench, ana, project.id, asset_id, NEGATIVE, None, 5)
    with pytest.raises(Conflict):
        annotate.save_draft(workbench, ana, project.id, asset_id, POSITIVE, None, 4)
    turn = take.take(workbench, ana, project.id, 1).turns[0]
    assert turn.draft is not None
    assert turn.draft.answers == NEGATIVE
    annotate.submit(workbench, ana, project.id, asset_id, submission())
    assert browse.view(workbench, ana, project.id, asset_id).draft is None


def test_strangers_find_nothing_and_annotators_may_not_manage(workbench: Workbench) -> None:
    ana, eve, ben = (add_person(workbench, name) for name in ("ana", "eve", "ben"))
    project = add_project(workbench, ana)
    people.set_member(workbench, ana, project.id, ben.user_id, "annotator")
    with pytest.raises(NotFound):
        take.take(workbench, eve, project.id, 1)
    with pytest.raises(NotAllowed):
        setup.change_project(workbench, ben, project.id, name="mine")
    with pytest.raises(NotAllowed):
        browse.page(workbench, ben, project.id, browse.Filter(), "id", None, 10)
    with pytest.raises(Conflict, match="manager"):
        people.set_member(workbench, ana, project.id, ana.user_id, None)
    assert setup.list_projects(workbench, eve) == []


def test_assets_of_another_project_are_not_found(workbench: Workbench) -> None:
    ana = add_person(workbench)
    one, other = add_project(workbench, ana), add_project(workbench, ana)
    (asset_id,) = add_assets(workbench, one, ["x"])
    with pytest.raises(NotFound):
        annotate.submit(workbench, ana, other.id, asset_id, submission())


def test_counters_agree_with_a_count_of_the_rows(workbench: Workbench) -> None:
    import sqlalchemy as sa

    from labelwright.store import tables as t

    ana = add_person(workbench)
    project = add_project(workbench, ana)
    ids = add_assets(workbench, project, [f"{i}" for i in range(12)])
    for asset_id in ids[:6]:
        predict(workbench, project, asset_id, 0.5)
    for asset_id in ids[:4]:
        annotate.submit(workbench, ana, project.id, asset_id, submission())
    annotate.skip(workbench, ana, project.id, ids[5], "")
    last = annotate.last_submissions(workbench, ana, project.id, 1)[0]
    annotate.take_back(workbench, ana, project.id, last.annotation.id)
    with workbench.store.read() as tx:
        rows = tx.execute(sa.select(t.asset.c.status, sa.func.count()).group_by(t.asset.c.status)).all()
        counters = assets.counters(tx, project.id)
    found = {status: n for status, n in counters.items() if status in setup.STATUS_COUNTS and n}
    assert found == {row[0]: row[1] for row in rows}


def test_the_table_pages_by_key_and_filters(workbench: Workbench) -> None:
    ana = add_person(workbench)
    project = add_project(workbench, ana)
    ids = add_assets(workbench, project, [f"text {i} 100%" for i in range(7)])
    for n, asset_id in enumerate(ids[:5]):
        predict(workbench, project, asset_id, 1 - n / 10, NEGATIVE if n % 2 else POSITIVE)
    seen: list[int] = []
    after = None
    while True:
        page = browse.page(workbench, ana, project.id, browse.Filter(), "confidence", after, 2)
        seen += [row.asset.id for row in page.rows]
        after = page.next
        if after is None:
            break
    assert seen == [*reversed(ids[:5]), *ids[5:]]

    def ids_where(**wanted: object) -> list[int]:
        page = browse.page(workbench, ana, project.id, browse.Filter.model_validate(wanted), "id", None, 50)
        return [row.asset.id for row in page.rows]

    assert ids_where(label="negative") == [ids[1], ids[3]]
    assert ids_where(status="new") == ids[5:]
    assert ids_where(confidence_below=0.75) == ids[3:5]
    assert ids_where(text="TEXT 3 100%") == [ids[3]]
    assert ids_where(text="1_0%") == []
    with pytest.raises(Invalid):
        browse.page(workbench, ana, project.id, browse.Filter(), "id", "nonsense", 2)
