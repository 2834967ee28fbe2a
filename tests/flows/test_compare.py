"""Plans compared on gold, on both databases: figures, verdicts, disagreements, halves, looks, and who may."""

import json
from decimal import Decimal

import pytest
import sqlalchemy as sa

from labelwright.core.access import Actor
from labelwright.core.answer import Answers, Span, SpanAnswer
from labelwright.core.errors import Conflict, Invalid, NotAllowed, NotFound
from labelwright.core.ontology import ChoiceQuestion, Label, Ontology, SpanQuestion
from labelwright.core.predictor import ExamplePolicy
from labelwright.core.project import Project, ProjectSettings
from labelwright.flows import annotate, compare, jobs, models, people, prompts, setup
from labelwright.store import tables as t
from labelwright.workbench import Workbench
from tests.endpoints.scripted import ScriptedServer, Step, truth
from tests.factories import NEGATIVE, POSITIVE, add_assets, add_person, add_project, submission


def make_gold(bench: Workbench, project: Project, answers: dict[int, Answers]) -> None:
    with bench.store.write() as tx:
        for asset_id, given in answers.items():
            tx.execute(t.gold.insert().values(asset_id=asset_id, project_id=project.id,
                                              answers=given.model_dump(mode="json"), created_at=bench.now()))  # fmt: skip
            tx.execute(t.asset.update().where(t.asset.c.id == asset_id).values(gold=True))


class Ring:
    """Sixty gold texts, and two scripted models: `good` knows nearly all, `poor` little."""

    def __init__(self, bench: Workbench, server: ScriptedServer, n: int = 60) -> None:
        self.bench, self.server = bench, server
        self.ana: Actor = add_person(bench, is_admin=True)
        self.project = add_project(bench, self.ana, settings=ProjectSettings(audit_share=0, learn_every=0))
        self.texts = [f"Review number {i}: it is what it is." for i in range(n)]
        self.ids = add_assets(bench, self.project, self.texts)
        self.truths = {text: "Positive" if i % 2 else "Negative" for i, text in enumerate(self.texts)}
        make_gold(bench, self.project, {
            asset_id: POSITIVE if i % 2 else NEGATIVE for i, asset_id in enumerate(self.ids)
        })  # fmt: skip
        good = truth(self.truths, ["Positive", "Negative"], 0.97)
        poor = truth(self.truths, ["Positive", "Negative"], 0.6, seed=4)
        server.script = lambda i, body: (good if body["model"] == "good" else poor)(i, body)
        wanted = models.ProviderInput(
            name="scripted", base_url=server.base_url, input_usd_per_mtok=1, output_usd_per_mtok=2
        )
        self.provider = models.add_provider(bench, self.ana, wanted)

    def plan(self, model: str, **more: object) -> prompts.Plan:
        return prompts.Plan.model_validate({"provider_id": self.provider.id, "model": model} | more)

    def compare(self, *plans: prompts.Plan, **more: object) -> compare.Comparison:
        started = compare.start_comparison(self.bench, self.ana, self.project.id, plans, **more)  # type: ignore[arg-type]
        assert started.state == "running" and started.pairs == ()
        jobs.run_all(self.bench)
        return compare.view_comparison(self.bench, self.ana, self.project.id, started.id)


@pytest.fixture
def ring(workbench: Workbench, scripted: ScriptedServer) -> Ring:
    return Ring(workbench, scripted)


@pytest.fixture
def small(sqlite_workbench: Workbench, scripted: ScriptedServer) -> Ring:
    return Ring(sqlite_workbench, scripted)


def test_the_better_model_is_called_better_with_figures_cost_and_latency(ring: Ring) -> None:
    found = ring.compare(ring.plan("poor"), ring.plan("good"))
    assert [plan.title for plan in found.plans] == ["poor", "good"]
    poor, good = (plan.figures["sentiment"] for plan in found.plans)
    assert (poor.measure, poor.n, found.compared) == ("accuracy", 60, 60)
    assert poor.value < good.value and good.interval.low <= good.value <= good.interval.high
    [pair] = found.pairs
    assert pair.verdict.outcome == "better" and pair.paired.difference == pytest.approx(
        good.value - poor.value
    )
    assert (
        pair.sentence.startswith("good is better than poor at “Sentiment”")
        and "95 % interval" in pair.sentence
    )
    assert all(plan.cost_usd and plan.latency_p50_s is not None for plan in found.plans)
    wrong = pair.paired.only_first + pair.paired.only_second
    assert found.disagreements_total == wrong > 0
    first = found.disagreements[0]
    assert set(first.scores) == {0.0, 1.0} and first.truth is not None and first.text in ring.texts
    with ring.bench.store.read() as tx:
        used = tx.execute(sa.select(t.asset.c.prediction_id).where(t.asset.c.id.in_(ring.ids))).scalars()
        assert set(used) == {None}, "the queue is left alone"


def test_equal_plans_show_no_difference_and_are_told_apart(small: Ring) -> None:
    found = small.compare(small.plan("good"), small.plan("good"))
    assert [plan.title for plan in found.plans] == ["good (1)", "good (2)"]
    assert found.pairs[0].verdict.outcome == "undecided" and found.pairs[0].verdict.more_needed is None
    assert found.pairs[0].sentence.startswith("No difference shown") and found.disagreements == ()


def test_four_plans_make_six_pairs_corrected_together(small: Ring) -> None:
    found = small.compare(*(small.plan(model) for model in ("poor", "good", "other", "good")), n=20)
    assert len(found.pairs) == 6 and {plan.total for plan in found.plans} == {20}
    assert all(pair.verdict.p_corrected >= pair.paired.p for pair in found.pairs)
    assert "corrected for 6 pairs" in found.pairs[0].sentence


def test_every_look_at_gold_is_counted_and_the_gate_half_is_another_half(small: Ring) -> None:
    plans = [small.plan("poor"), small.plan("good")]
    tuning = small.compare(*plans, gold="tuning")
    again = small.compare(*plans, gold="tuning")
    gate = small.compare(*plans, gold="gate")
    assert [c.looks_before for c in (tuning, again, gate)] == [0, 1, 0]
    assert "used once before" in again.note and "gate half" in again.note
    state = compare.gold_state(small.bench, small.ana, small.project.id)
    assert (state.total, state.tuning, state.gate) == (60, tuning.compared, gate.compared)
    assert state.tuning + state.gate == 60 and (state.looks, state.looks_at_gate) == (3, 1)
    everything = small.compare(*plans)
    assert everything.looks_before == 3
    cards = compare.list_comparisons(small.bench, small.ana, small.project.id)
    assert [card.id for card in cards] == [everything.id, gate.id, again.id, tuning.id]


def test_a_plan_that_fails_on_an_asset_is_wrong_there(small: Ring) -> None:
    likely = small.server.script
    assert callable(likely)
    small.server.script = lambda i, body: (
        Step("error", status=422) if body["model"] == "poor" and "number 7:" in body["messages"][-1]["content"]
        else likely(i, body)
    )  # fmt: skip
    found = small.compare(small.plan("poor"), small.plan("good"))
    assert found.plans[0].failed == 1 and found.compared == 60
    missing = [d for d in found.disagreements if d.said[0] is None]
    assert [d.text for d in missing] == [small.texts[7]] and missing[0].scores[0] == 0


def test_spans_are_compared_by_f1_over_all_marks(
    sqlite_workbench: Workbench, scripted: ScriptedServer
) -> None:
    bench, ana = sqlite_workbench, add_person(sqlite_workbench, is_admin=True)
    ontology = Ontology(
        questions=(SpanQuestion(id="names", name="Names", labels=(Label(id="per", name="Person"),)),)
    )
    project = add_project(bench, ana, ontology)
    ids = add_assets(bench, project, [f"Ann met Bob and Cem {i} times." for i in range(12)])
    spans = tuple(Span(id=str(n), start=s, end=s + 3, label="per") for n, s in enumerate((0, 8, 16)))
    make_gold(bench, project, {i: Answers.of({"names": SpanAnswer(spans=spans)}) for i in ids})

    def script(_n: int, body: dict[str, object]) -> Step:
        quotes = ["Ann", "Bob", "Cem"] if body["model"] == "all" else ["Ann"]
        return Step(text=json.dumps({"entities": [
            {"quote": q, "type": "Person", "before": "", "after": ""} for q in quotes
        ]}))  # fmt: skip

    scripted.script = script
    provider = models.add_provider(bench, ana, models.ProviderInput(name="s", base_url=scripted.base_url))
    plans = [prompts.Plan(provider_id=provider.id, model=model) for model in ("one", "all")]
    started = compare.start_comparison(bench, ana, project.id, plans)
    jobs.run_all(bench)
    found = compare.view_comparison(bench, ana, project.id, started.id)
    one, everything = (plan.figures["names"] for plan in found.plans)
    assert one.measure == "F1"
    assert one.value == pytest.approx(0.5) and everything.value == 1.0
    assert found.pairs[0].verdict.outcome == "better" and found.pairs[0].paired.p_by == "randomisation"
    assert found.disagreements_total == 12 and found.plans[0].cost_usd is None


def test_old_and_new_questions_can_be_compared_but_not_given_to_a_batch(small: Ring) -> None:
    old = setup.current_ontology(small.bench, small.ana, small.project.id)
    question = old.questions[0]
    assert isinstance(question, ChoiceQuestion)
    labels = tuple(
        label.model_copy(update={"definition": f"clearly {label.name}"}) for label in question.labels
    )
    new = old.model_copy(update={"questions": (question.model_copy(update={"labels": labels}),)})
    setup.change_ontology(small.bench, small.ana, small.project.id, 1, new)
    found = small.compare(small.plan("good", ontology_version=1), small.plan("good"), n=5)
    assert [plan.title for plan in found.plans] == ["questions 1", "current questions"]
    asked = [json.dumps(body) for body in small.server.seen.bodies]
    assert ["clearly Positive" in each for each in asked].count(True) == 5
    from labelwright.flows import predict

    with pytest.raises(Invalid, match="current questions"):
        predict.start_run(small.bench, small.ana, small.project.id, small.plan("good", ontology_version=1))


def test_examples_come_from_reviewed_assets_and_never_from_gold(small: Ring) -> None:
    extra = add_assets(small.bench, small.project, ["A plain good thing.", "A plain bad thing."])
    for asset_id, answers in zip(extra, (POSITIVE, NEGATIVE), strict=True):
        annotate.submit(small.bench, small.ana, small.project.id, asset_id, submission(answers))
    annotate.submit(small.bench, small.ana, small.project.id, small.ids[0], submission(NEGATIVE))
    few = small.plan("good", examples=ExamplePolicy(kind="per_label", k=3))
    found = small.compare(small.plan("good"), few, n=4)
    assert [plan.title for plan in found.plans] == ["zero-shot", "3 per label"]
    shown = [body["messages"] for body in small.server.seen.bodies if len(body["messages"]) > 2]
    assert len(shown) == 4
    assert {m["content"] for messages in shown for m in messages[1:-1] if m["role"] == "user"} == {
        m["content"] for m in shown[0][1:-1] if m["role"] == "user"
    }
    assert "Review number 0:" not in json.dumps([messages[:-1] for messages in shown])


def test_wrong_calls_are_refused_and_say_what_to_do(small: Ring) -> None:
    plan = small.plan("good")
    start = compare.start_comparison
    for plans in ([plan], [plan] * 5):
        with pytest.raises(Invalid):
            start(small.bench, small.ana, small.project.id, plans)
    with pytest.raises(NotFound):
        start(small.bench, small.ana, small.project.id, [plan, small.plan("good", ontology_version=9)])
    with pytest.raises(NotFound):
        compare.view_comparison(small.bench, small.ana, small.project.id, 99)
    empty = add_project(small.bench, small.ana)
    with pytest.raises(Conflict) as caught:
        start(small.bench, small.ana, empty.id, [plan, plan])
    assert caught.value.code == "no_gold" and "gold" in caught.value.hint
    bo = add_person(small.bench, "bo")
    people.set_member(small.bench, small.ana, small.project.id, bo.user_id, "reviewer")
    with pytest.raises(NotAllowed):
        start(small.bench, bo, small.project.id, [plan, plan])


def test_a_comparison_can_be_stopped_and_compares_what_it_has(small: Ring) -> None:
    started = compare.start_comparison(
        small.bench, small.ana, small.project.id, [small.plan("poor"), small.plan("good")]
    )
    stopped = compare.cancel_comparison(small.bench, small.ana, small.project.id, started.id)
    assert stopped.state == "done" and stopped.compared == 0 and stopped.pairs == ()
    jobs.run_all(small.bench)
    assert small.server.chats == 0


def test_a_cap_is_shared_by_the_plans(small: Ring) -> None:
    found = small.compare(small.plan("poor"), small.plan("good"), cost_cap_usd=Decimal("0.00002"))
    assert {plan.state for plan in found.plans} == {"paused"} and "cap" in found.plans[0].stop_reason
