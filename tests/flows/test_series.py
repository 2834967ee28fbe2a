"""A batch that follows a review: when it starts, that it starts once, and that nothing of it is lost."""

import threading
from typing import Any

import pytest
import sqlalchemy as sa

from labelwright.core.access import Actor
from labelwright.core.errors import Conflict, Invalid
from labelwright.core.predictor import ExamplePolicy, Run
from labelwright.core.project import ProjectSettings
from labelwright.flows import annotate, carry, jobs, models, people, predict, prompts
from labelwright.store import run as runs
from labelwright.store import tables as t
from labelwright.workbench import Workbench
from tests.endpoints.scripted import ScriptedServer, Step, truth
from tests.factories import NEGATIVE, POSITIVE, add_assets, add_person, add_project, submission


class Series:
    """Twelve texts in batches of four that wait for each other's review."""

    def __init__(self, bench: Workbench, server: ScriptedServer, **settings: Any) -> None:
        self.bench, self.server = bench, server
        self.ana: Actor = add_person(bench, is_admin=True)
        self.project = add_project(
            bench, self.ana, settings=ProjectSettings(learn_every=0, audit_share=0, **settings)
        )
        texts = [
            f"Text {word} is here to be judged."
            for word in [
                "one",
                "two",
                "three",
                "four",
                "five",
                "six",
                "seven",
                "eight",
                "nine",
                "ten",
                "eleven",
                "twelve",
            ]
        ]
        self.ids = add_assets(bench, self.project, texts)
        server.script = truth(
            dict.fromkeys(texts, "Positive"), ["Positive", "Negative"], 0.8, base=Step(prompt_tokens=100)
        )
        wanted = models.ProviderInput(
            name="s", base_url=server.base_url, input_usd_per_mtok=1, output_usd_per_mtok=2
        )
        self.provider = models.add_provider(bench, self.ana, wanted)

    def start(self, share: float | None = 1.0, **more: Any) -> Run:
        plan = prompts.Plan(
            provider_id=self.provider.id, model="scripted", examples=ExamplePolicy(kind="per_label", k=1)
        )
        given = {"batch_size": 4, "batches": None, "review_share": share} | more
        run = predict.start_run(self.bench, self.ana, self.project.id, plan, **given)
        jobs.run_all(self.bench)
        return run

    def of_batch(self, batch: int) -> list[int]:
        with self.bench.store.read() as tx:
            return list(tx.execute(sa.select(t.asset.c.id).where(t.asset.c.batch == batch)).scalars())

    def submit(self, asset_id: int, person: Actor | None = None, i: int = 0) -> None:
        sent = submission(NEGATIVE if i % 2 else POSITIVE)
        annotate.submit(self.bench, person or self.ana, self.project.id, asset_id, sent)

    def listed(self) -> list[Run]:
        return predict.list_runs(self.bench, self.ana, self.project.id)[::-1]

    def waiting(self) -> int | None:
        last = self.listed()[-1].next_batch
        return None if last is None else last.left


@pytest.fixture
def series(workbench: Workbench, scripted: ScriptedServer) -> Series:
    return Series(workbench, scripted)


@pytest.fixture
def small(sqlite_workbench: Workbench, scripted: ScriptedServer) -> Series:
    return Series(sqlite_workbench, scripted)


def test_the_next_batch_starts_when_the_last_asset_is_reviewed_and_is_shown_the_corrections(
    series: Series,
) -> None:
    series.start()
    assert [run.state for run in series.listed()] == ["done"] and series.waiting() == 4
    batch = series.of_batch(1)
    for i, asset_id in enumerate(batch[:3]):
        series.submit(asset_id, i=i)
        jobs.run_all(series.bench)
    assert len(series.listed()) == 1 and series.waiting() == 1
    annotate.skip(series.bench, series.ana, series.project.id, batch[3], "not sure")
    following = series.listed()[0].next_batch
    assert following is not None and following.starting
    jobs.run_all(series.bench)
    first, second = series.listed()
    assert (first.next_batch, second.state, second.batch, second.total) == (None, "done", 2, 4)
    view = predict.view_run(series.bench, series.ana, series.project.id, second.id)
    assert {example.asset_id for example in view.examples} <= set(batch) and len(view.examples) == 2
    assert {(e.author, e.batch, e.counts) for e in view.examples} == {("ana", 1, True)}
    assert all(e.created_at is not None for e in view.examples)
    assert series.waiting() == 4, "and the one after it waits again"


def test_a_share_is_enough_where_a_share_was_wished(small: Series) -> None:
    small.start(share=0.5)
    assert small.waiting() == 2
    for asset_id in small.of_batch(1)[:2]:
        small.submit(asset_id)
    jobs.run_all(small.bench)
    assert [run.batch for run in small.listed()] == [1, 2]
    for asset_id in small.of_batch(1)[2:]:
        small.submit(asset_id)
    jobs.run_all(small.bench)
    assert [run.batch for run in small.listed()] == [1, 2], "the rest of the first batch starts nothing"


def test_two_people_who_finish_at_once_start_one_batch(series: Series) -> None:
    bo = add_person(series.bench, "bo")
    people.set_member(series.bench, series.ana, series.project.id, bo.user_id, "annotator")
    for batch in (1, 2):
        if batch == 1:
            series.start()
        ids = series.of_batch(batch)
        for asset_id in ids[:2]:
            series.submit(asset_id)
        gate = threading.Barrier(2)

        def last(asset_id: int, person: Actor, skips: bool, gate: threading.Barrier = gate) -> None:
            gate.wait()
            if skips:
                annotate.skip(series.bench, person, series.project.id, asset_id, "")
            else:
                series.submit(asset_id, person)

        both = [
            threading.Thread(target=last, args=(ids[2], series.ana, batch == 2)),
            threading.Thread(target=last, args=(ids[3], bo, False)),
        ]
        for each in both:
            each.start()
        for each in both:
            each.join(30)
        jobs.run_all(series.bench)
        assert [run.batch for run in series.listed()] == list(range(1, batch + 2))


def test_a_restart_between_the_review_and_the_start_loses_nothing_and_repeats_nothing(small: Series) -> None:
    small.start()
    for asset_id in small.of_batch(1):
        small.submit(asset_id)
    # Two workers died over the job: one before it did anything, one right after the batch was made.
    [job] = [j for j in jobs.list_jobs(small.bench, small.ana, small.project.id) if j.state == "queued"]
    carry._follow_reviewed(small.bench, small.project.id, job.params["after"], job.id)
    with small.bench.store.write() as tx:
        assert runs.waiting_of_job(tx, job.id) != []
    jobs.run_all(small.bench)
    assert [(run.batch, run.state) for run in small.listed()] == [(1, "done"), (2, "done")]
    assert small.server.chats == 8


def test_people_who_are_faster_than_the_model_do_not_stop_the_series(small: Series) -> None:
    plan = prompts.Plan(provider_id=small.provider.id, model="scripted")
    predict.start_run(
        small.bench, small.ana, small.project.id, plan, batch_size=4, batches=2, review_share=1.0
    )
    for asset_id in small.of_batch(1) or small.ids:
        with small.bench.store.read() as tx:
            in_batch = asset_id in runs.asset_ids(tx, small.listed()[0].id)
        if in_batch:
            small.submit(asset_id)
    jobs.run_all(small.bench)
    assert [(run.batch, run.state) for run in small.listed()] == [(1, "done"), (2, "done")]
    assert small.waiting() is None, "two batches were wished, and there are two"


def test_a_cancelled_run_starts_nothing(small: Series) -> None:
    plan = prompts.Plan(provider_id=small.provider.id, model="scripted")
    run = predict.start_run(
        small.bench, small.ana, small.project.id, plan, batch_size=4, batches=None, review_share=1.0
    )
    with small.bench.store.read() as tx:
        ids = runs.asset_ids(tx, run.id)
    predict.cancel_run(small.bench, small.ana, small.project.id, run.id)
    for asset_id in ids:
        small.submit(asset_id)
    jobs.run_all(small.bench)
    assert [each.state for each in small.listed()] == ["cancelled"] and small.waiting() is None


def test_a_series_can_be_ended_or_gone_on_with_by_hand(small: Series) -> None:
    first = small.start()
    predict.go_on(small.bench, small.ana, small.project.id, first.id)
    with pytest.raises(Conflict, match="waits"):
        predict.go_on(small.bench, small.ana, small.project.id, first.id)
    jobs.run_all(small.bench)
    assert [run.batch for run in small.listed()] == [1, 2]
    predict.end_series(small.bench, small.ana, small.project.id, small.listed()[1].id)
    for asset_id in small.of_batch(2):
        small.submit(asset_id)
    jobs.run_all(small.bench)
    assert [run.batch for run in small.listed()] == [1, 2] and small.waiting() is None


def test_the_cost_cap_is_one_for_the_whole_series(small: Series) -> None:
    from decimal import Decimal

    first = small.start(cost_cap_usd=Decimal("0.5"))
    for asset_id in small.of_batch(1):
        small.submit(asset_id)
    jobs.run_all(small.bench)
    one, two = small.listed()
    assert one.id == first.id and one.cost_usd is not None and two.cost_cap_usd is not None
    assert two.cost_cap_usd == Decimal("0.5") - one.cost_usd < Decimal("0.5")


def test_with_two_people_per_text_both_have_to_answer(
    sqlite_workbench: Workbench, scripted: ScriptedServer
) -> None:
    small = Series(sqlite_workbench, scripted, people_per_asset=2)
    small.start(batches=2)
    bo = add_person(small.bench, "bo")
    people.set_member(small.bench, small.ana, small.project.id, bo.user_id, "annotator")
    for asset_id in small.of_batch(1):
        small.submit(asset_id)
    assert small.waiting() == 4
    for asset_id in small.of_batch(1):
        small.submit(asset_id, bo)
    jobs.run_all(small.bench)
    assert [run.batch for run in small.listed()] == [1, 2]


@pytest.mark.parametrize("share", [0.0, -1.0, 1.1])
def test_a_share_that_makes_no_sense_is_refused(small: Series, share: float) -> None:
    with pytest.raises(Invalid):
        small.start(share=share)


def test_the_examples_shown_with_one_text_can_be_seen_afterwards(small: Series) -> None:
    small.start(share=None, batches=1)
    for i, asset_id in enumerate(small.of_batch(1)):
        small.submit(asset_id, i=i)
    plan = prompts.Plan(
        provider_id=small.provider.id, model="scripted", examples=ExamplePolicy(kind="nearest_per_label", k=1)
    )
    run = predict.start_run(small.bench, small.ana, small.project.id, plan, batch_size=1)
    jobs.run_all(small.bench)
    [asked] = small.of_batch(2)
    shown = predict.examples_shown(small.bench, small.ana, small.project.id, run.id, asked)
    sent = [m["content"] for m in small.server.seen.bodies[-1]["messages"][1:-1] if m["role"] == "user"]
    assert len(shown) == 2 and all(e.text in s for e, s in zip(shown, sent, strict=True))
    preview = prompts.preview(
        small.bench, small.ana, small.project.id, asset_id=asked, template=None, template_version=0,
        examples=plan.examples, model="",
    )  # fmt: skip
    assert preview.examples == tuple(shown) and preview.examples[0].author == "ana"
