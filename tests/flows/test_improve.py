"""Confusions shown and turned into proposals: what is sent, what is refused, and that nothing changes by itself."""

import json
from typing import Any

import pytest

from labelwright.core.errors import Invalid, NotAllowed, NotFound, PrivacyRefused
from labelwright.flows import annotate, improve, jobs, models, people, predict, prompts, setup
from labelwright.workbench import Workbench
from tests.endpoints.scripted import ScriptedServer, Step
from tests.factories import NEGATIVE, POSITIVE, add_assets, add_person, add_project, submission
from tests.flows.test_compare import make_gold

GOOD = json.dumps(
    {"definition": "The text praises\nsomething on the whole.", "why": "Irony was taken for praise."}
)


class Corrected:
    """Six texts that a model called positive; people called four of them negative, one of those is gold."""

    def __init__(self, bench: Workbench, server: ScriptedServer) -> None:
        self.bench, self.server = bench, server
        self.ana = add_person(bench, is_admin=True)
        self.project = add_project(bench, self.ana)
        self.texts = [f"Oh great, day {i} of rain." for i in range(6)]
        self.ids = add_assets(bench, self.project, self.texts)
        server.script = Step(text='{"sentiment": "Positive"}')
        wanted = models.ProviderInput(
            name="s", base_url=server.base_url, input_usd_per_mtok=1, output_usd_per_mtok=2
        )
        self.provider = models.add_provider(bench, self.ana, wanted)
        plan = prompts.Plan(provider_id=self.provider.id, model="m")
        predict.start_run(bench, self.ana, self.project.id, plan, batch_size=6)
        jobs.run_all(bench)
        with bench.store.read() as tx:
            from labelwright.store import work

            found = work.current_predictions(tx, self.ids)
        for i, asset_id in enumerate(self.ids):
            sent = submission(NEGATIVE if i < 4 else POSITIVE, prediction_id=found[asset_id].id)
            annotate.submit(bench, self.ana, self.project.id, asset_id, sent)
        make_gold(bench, self.project, {self.ids[0]: NEGATIVE})

    def draft(self, label: str = "positive", **more: Any) -> improve.DefinitionDraft:
        return improve.draft_definition(
            self.bench,
            more.pop("actor", self.ana),
            self.project.id,
            "sentiment",
            label,
            self.provider.id,
            "m",
            **more,
        )


@pytest.fixture
def corrected(workbench: Workbench, scripted: ScriptedServer) -> Corrected:
    return Corrected(workbench, scripted)


@pytest.fixture
def small(sqlite_workbench: Workbench, scripted: ScriptedServer) -> Corrected:
    return Corrected(sqlite_workbench, scripted)


def test_confusions_are_counted_with_their_texts_and_without_gold(corrected: Corrected) -> None:
    [row] = improve.list_confusions(corrected.bench, corrected.ana, corrected.project.id)
    assert (row.confusion.said, row.confusion.right, row.confusion.n, row.of) == (
        "positive",
        "negative",
        3,
        5,
    )
    assert {each.asset_id for each in row.texts} == set(corrected.ids[1:4])


def test_a_proposal_is_told_the_confusions_and_changes_nothing(small: Corrected) -> None:
    small.server.script = Step(text=f"Sure!\n```json\n{GOOD}\n```", prompt_tokens=100, completion_tokens=10)
    draft = small.draft()
    assert (draft.before, draft.after) == ("", "The text praises something on the whole.")
    assert draft.why and draft.texts_sent == 3 and draft.cost_usd is not None and draft.cost_usd > 0
    sent = small.server.seen.bodies[-1]["messages"][-1]["content"]
    assert "the model said Positive, people said Negative: 3 times" in sent
    assert small.texts[1] in sent and small.texts[0] not in sent, "gold is never shown"
    assert sent.count("<text>") == 3
    ontology = setup.current_ontology(small.bench, small.ana, small.project.id)
    assert ontology.version == 1
    events, _ = setup.project_history(small.bench, small.ana, small.project.id, None, 5)
    assert events[0].kind == "definition_drafted" and events[0].body["texts"] == 3


def test_texts_stay_here_when_they_are_to(small: Corrected) -> None:
    small.server.script = Step(text=GOOD)
    draft = small.draft("negative", with_texts=False)
    assert draft.texts_sent == 0 and draft.mistakes == 1
    assert not any(text in json.dumps(small.server.seen.bodies[-1]) for text in small.texts)


def test_a_private_project_sends_nothing_to_a_stranger(small: Corrected) -> None:
    setup.change_project(small.bench, small.ana, small.project.id, settings={"private": True})
    models.change_provider(
        small.bench,
        small.ana,
        small.provider.id,
        models.ProviderChange(base_url="http://models.example.com/v1"),
    )
    before = small.server.chats
    with pytest.raises(PrivacyRefused):
        small.draft()
    assert small.server.chats == before


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no idea",
        "{}",
        '{"definition": 3}',
        '{"definition": ""}',
        "[" * 5000,
        json.dumps({"definition": "x" * 2000}),
    ],
)
def test_a_reply_without_a_usable_definition_is_an_error_that_says_so(small: Corrected, text: str) -> None:
    small.server.script = Step(text=text)
    with pytest.raises(Invalid, match="no usable definition"):
        small.draft()


def test_only_managers_ask_and_only_for_labels_that_exist(small: Corrected) -> None:
    bo = add_person(small.bench, "bo")
    people.set_member(small.bench, small.ana, small.project.id, bo.user_id, "reviewer")
    with pytest.raises(NotAllowed):
        small.draft(actor=bo)
    with pytest.raises(NotFound):
        small.draft("purple")
    assert improve.list_confusions(small.bench, bo, small.project.id)
