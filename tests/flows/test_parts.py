"""Assets asked in several requests, on both databases: every part once, kept by itself, put together at the end."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from labelwright.core.answer import ChoiceAnswer, SpanAnswer
from labelwright.core.errors import NotFound
from labelwright.core.ontology import ChoiceQuestion, Label, Ontology, SpanQuestion
from labelwright.core.predictor import Decoding, ExamplePolicy, Prediction, Run
from labelwright.core.project import ProjectSettings
from labelwright.flows import browse, jobs, models, predict, prompts, take
from labelwright.flows import reread as again
from labelwright.store import tables as t
from labelwright.workbench import Workbench
from tests.endpoints.finder import FinderServer
from tests.factories import add_assets, add_person, add_project
from tests.flows.test_predict import WORKER, until

NAMES = {"Zorvath": "Person", "New Quillbury": "Place", "Anna Mbeki": "Person"}
ASKED = Ontology(
    questions=(
        ChoiceQuestion(
            id="mood", name="Mood", labels=(Label(id="calm", name="Calm"), Label(id="stormy", name="Stormy"))
        ),
        SpanQuestion(
            id="ner", name="Entities", labels=(Label(id="PER", name="Person"), Label(id="LOC", name="Place"))
        ),
    )
)
FILLER = "The road went on past the mill and nobody said a word about it. "


def book(n: int = 120, every: int = 7) -> str:
    """Sentences with a name in every so many of them, some right behind one another."""
    names = list(NAMES)
    lines = []
    for i in range(n):
        lines.append(FILLER)
        if i % every == 0:
            name = names[(i // every) % len(names)]
            lines.append(f"Then {name} came in. ")
    return "".join(lines)


def places(text: str) -> set[tuple[int, int, str]]:
    """Where the names really are."""
    found = set()
    for name, kind in NAMES.items():
        at = text.find(name)
        while at >= 0:
            found.add((at, at + len(name), "PER" if kind == "Person" else "LOC"))
            at = text.find(name, at + 1)
    return found


class Shelf:
    """A project with long texts, and an endpoint that finds names."""

    def __init__(self, workbench: Workbench, server: FinderServer, texts: list[str], **provider: Any) -> None:
        self.workbench, self.server, self.texts = workbench, server, texts
        self.ana = add_person(workbench, is_admin=True)
        self.project = add_project(workbench, self.ana, ASKED, ProjectSettings(batch_size=10, audit_share=0))
        self.ids = add_assets(workbench, self.project, texts)
        given = {"name": "finder", "base_url": server.base_url, "concurrency": 4} | provider
        self.provider = models.add_provider(workbench, self.ana, models.ProviderInput.model_validate(given))

    def plan(self, **decoding: Any) -> prompts.Plan:
        return prompts.Plan(provider_id=self.provider.id, model="finder", decoding=Decoding(**decoding))

    def start(self, plan: prompts.Plan | None = None, **more: Any) -> Run:
        return predict.start_run(self.workbench, self.ana, self.project.id, plan or self.plan(), **more)

    def work(self) -> None:
        jobs.run_all(self.workbench)

    def run(self, run: Run) -> Run:
        return predict.view_run(self.workbench, self.ana, self.project.id, run.id).run

    def prediction(self, asset_id: int) -> Prediction:
        found = browse.view(self.workbench, self.ana, self.project.id, asset_id).prediction
        assert found is not None
        return found

    def spans(self, asset_id: int) -> set[tuple[int, int, str]]:
        answer = self.prediction(asset_id).answers.get("ner")
        assert isinstance(answer, SpanAnswer)
        assert len({s.id for s in answer.spans}) == len(answer.spans)
        return {(s.start, s.end, s.label) for s in answer.spans}

    def rows(self, query: sa.Select[Any]) -> list[Any]:
        with self.workbench.store.read() as tx:
            return list(tx.execute(query))


@pytest.fixture
def finder() -> Iterator[FinderServer]:
    with FinderServer(NAMES, words={"Zorvath": "Stormy"}) as server:
        yield server


@pytest.fixture
def shelf(workbench: Workbench, finder: FinderServer) -> Shelf:
    return Shelf(workbench, finder, [book(), "Zorvath slept.", book(60, 5)])


@pytest.fixture
def small(sqlite_workbench: Workbench, finder: FinderServer) -> Shelf:
    return Shelf(sqlite_workbench, finder, [book()])


def test_long_texts_are_asked_in_pieces_and_every_name_is_found_once_at_its_place(shelf: Shelf) -> None:
    run = shelf.start(shelf.plan(chunk_tokens=300))
    shelf.work()
    done = shelf.run(run)
    assert (done.state, done.done, done.failed) == ("done", 3, 0)
    for asset_id, text in zip(shelf.ids, shelf.texts, strict=True):
        assert shelf.spans(asset_id) == places(text)
    rows = shelf.rows(sa.select(t.run_asset.c.parts, t.run_asset.c.layout).order_by(t.run_asset.c.asset_id))
    assert rows[0].parts > 4 and rows[1].parts == 1 and not rows[1].layout
    assert shelf.server.chats == sum(row.parts for row in rows)
    kept = shelf.rows(sa.select(sa.func.count()).select_from(t.exchange))
    assert kept[0][0] == shelf.server.chats
    first = shelf.prediction(shelf.ids[0])
    assert len(first.pieces) == rows[0].parts and shelf.prediction(shelf.ids[1]).pieces == ()
    assert first.confidence["mood"].scorer == "label_trie+parts"
    assert {piece.answers.get("mood") for piece in first.pieces} <= {
        ChoiceAnswer(labels=("calm",)), ChoiceAnswer(labels=("stormy",)),
    }  # fmt: skip
    assert "Part 2 of" in str(shelf.server.seen.bodies)


def test_the_reviewer_gets_the_borders_with_the_asset(small: Shelf) -> None:
    small.start(small.plan(chunk_tokens=300))
    small.work()
    [turn] = take.take(small.workbench, small.ana, small.project.id, 1).turns
    assert turn.prediction is not None and len(turn.prediction.pieces) > 4
    assert sum(piece.mentions for piece in turn.prediction.pieces) >= len(places(small.texts[0]))


def test_each_question_by_itself_is_a_setting(shelf: Shelf) -> None:
    run = shelf.start(shelf.plan(questions="each"))
    shelf.work()
    assert shelf.run(run).done == 3
    keys = [
        tuple(body["response_format"]["json_schema"]["schema"]["properties"])
        for body in shelf.server.seen.bodies
    ]
    assert set(keys) == {("mood",), ("entities",)}
    assert shelf.spans(shelf.ids[0]) == places(shelf.texts[0])
    answers = shelf.prediction(shelf.ids[1]).answers
    assert answers.get("mood") == ChoiceAnswer(labels=("stormy",))


def test_samples_are_asked_paid_for_and_put_to_the_vote(shelf: Shelf) -> None:
    change = models.ProviderChange(input_usd_per_mtok=1.0, output_usd_per_mtok=0.0)
    models.change_provider(shelf.workbench, shelf.ana, shelf.provider.id, change)
    plan = shelf.plan(confidence="self_consistency", samples=3)
    expected = prompts.estimate(shelf.workbench, shelf.ana, shelf.project.id, plan)
    run = shelf.start(plan)
    shelf.work()
    done = shelf.run(run)
    assert done.done == 3 and shelf.server.chats == expected.requests >= 9
    assert done.cost_usd == Decimal(done.prompt_tokens) / 1_000_000
    assert {body["seed"] for body in shelf.server.seen.bodies} == {0, 1, 2}
    assert {body["temperature"] for body in shelf.server.seen.bodies} == {0.7}
    assert not any(body.get("logprobs") for body in shelf.server.seen.bodies)
    sure = shelf.prediction(shelf.ids[1]).confidence["mood"]
    assert (sure.value, sure.scorer) == (1.0, "self_consistency")


def test_verbal_confidence_orders_the_queue_when_it_was_asked_for(shelf: Shelf) -> None:
    shelf.start(shelf.plan(confidence="verbal"))
    shelf.work()
    sure = shelf.prediction(shelf.ids[1]).confidence["mood"]
    assert (sure.value, sure.scorer) == (0.8, "verbal")


def test_no_confidence_is_a_choice_too(small: Shelf) -> None:
    small.start(small.plan(confidence="none"))
    small.work()
    assert small.prediction(small.ids[0]).confidence == {}
    assert not any(body.get("logprobs") for body in small.server.seen.bodies)


def test_what_is_too_long_is_cut_smaller_by_itself_and_the_next_text_at_once(shelf: Shelf) -> None:
    shelf.server.context = 1_600
    run = shelf.start()
    shelf.work()
    done = shelf.run(run)
    assert (done.state, done.done, done.failed) == ("done", 3, 0)
    assert shelf.server.refused > 0
    for asset_id, text in zip(shelf.ids, shelf.texts, strict=True):
        assert shelf.spans(asset_id) == places(text)
    layouts = [row.layout for row in shelf.rows(sa.select(t.run_asset.c.layout)) if row.layout]
    assert layouts and all(layout["halved"] >= 1 for layout in layouts)
    # Only the first wave of each size ran into the limit.
    waves = max(layout["halved"] for layout in layouts)
    assert shelf.server.refused <= waves * 2 * 4, "more than what was in flight or waiting at each size"


def test_what_never_fits_stops_the_run_with_its_cause_and_not_for_ever(small: Shelf) -> None:
    small.server.context = 200
    run = small.start()
    small.work()
    done = small.run(run)
    assert done.state == "paused" and "context too long" in done.stop_reason
    assert small.server.chats < 300


def test_a_probed_context_is_kept_from_the_start(shelf: Shelf) -> None:
    shelf.server.context = 2_000
    models.probe_provider(shelf.workbench, shelf.ana, shelf.provider.id)
    refused = shelf.server.refused
    run = shelf.start()
    shelf.work()
    assert (shelf.run(run).done, shelf.server.refused) == (3, refused)


@pytest.mark.parametrize("kind", ["llama.cpp", "vllm"])
def test_the_tokenizer_of_the_endpoint_is_used_where_it_offers_one(small: Shelf, kind: str) -> None:
    # A tokenizer so fine that the estimate would be far too low.
    small.server.tokenizer, small.server.bytes_per_token, small.server.context = kind, 1.0, 9_000
    seen = models.probe_provider(small.workbench, small.ana, small.provider.id)
    assert seen.tokenizer == kind
    refused = small.server.refused
    run = small.start()
    small.work()
    assert (small.run(run).done, small.server.refused) == (1, refused)
    assert small.server.counted > 2
    assert small.spans(small.ids[0]) == places(small.texts[0])


def test_what_bills_say_about_counting_is_learned_and_kept(small: Shelf) -> None:
    small.server.bytes_per_token = 1.5
    small.start(small.plan(chunk_tokens=200))
    small.work()
    [row] = small.rows(sa.select(t.provider.c.token_factors))
    learned = row.token_factors["finder"]
    assert learned["n"] > 5 and 1.8 < learned["mean"] < 4.0
    shown = prompts.preview(
        small.workbench, small.ana, small.project.id, asset_id=small.ids[0], template=None, template_version=0,
        examples=ExamplePolicy(), model="finder", provider_id=small.provider.id,
    )  # fmt: skip
    true = sum(small.server.tokens(message.content) + 4 for message in shown.messages)
    assert abs(shown.prompt_tokens / true - 1) < 0.15


def test_after_kill_9_only_parts_without_a_reply_are_asked_again(shelf: Shelf) -> None:
    shelf.server.latency_s = 0.05
    run = shelf.start(shelf.plan(chunk_tokens=100))
    settings = shelf.workbench.settings
    command = [sys.executable, "-c", WORKER, str(settings.home), settings.database_url]
    kills = 0
    for wanted in (10, 25):
        process = subprocess.Popen(command)
        until(lambda wanted=wanted: shelf.server.chats >= wanted, 60)  # type: ignore[misc]
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        kills += 1
    [kept] = shelf.rows(sa.select(sa.func.count()).select_from(t.exchange))
    assert kept[0] > 0, "parts are kept one by one, before their asset is complete"
    subprocess.run(command, check=True, timeout=120)
    done = shelf.run(run)
    assert (done.state, done.done, done.failed) == ("done", 3, 0)
    parts = sum(row.parts for row in shelf.rows(sa.select(t.run_asset.c.parts)))
    assert parts > 30
    # Repeated: at most what was in flight, or had come in a moment before, at each kill.
    assert parts <= shelf.server.chats <= parts + kills * 4 * 3
    for asset_id, text in zip(shelf.ids, shelf.texts, strict=True):
        assert shelf.spans(asset_id) == places(text)


def test_pausing_within_a_text_keeps_what_was_answered(shelf: Shelf) -> None:
    shelf.server.latency_s = 0.05
    run = shelf.start(shelf.plan(chunk_tokens=100))
    import threading

    worker = threading.Thread(target=shelf.work)
    worker.start()
    until(lambda: shelf.server.chats >= 8)
    predict.pause_run(shelf.workbench, shelf.ana, shelf.project.id, run.id)
    worker.join(20)
    asked = shelf.server.chats
    assert shelf.run(run).state == "paused"
    predict.resume_run(shelf.workbench, shelf.ana, shelf.project.id, run.id)
    shelf.work()
    parts = sum(row.parts for row in shelf.rows(sa.select(t.run_asset.c.parts)))
    assert asked < parts == shelf.server.chats and shelf.run(run).done == 3


def test_a_cap_stops_within_a_text_and_going_on_asks_nothing_twice(shelf: Shelf) -> None:
    change = models.ProviderChange(input_usd_per_mtok=10.0, output_usd_per_mtok=10.0)
    models.change_provider(shelf.workbench, shelf.ana, shelf.provider.id, change)
    run = shelf.start(shelf.plan(chunk_tokens=100, max_tokens=200), cost_cap_usd=Decimal("0.1"))
    shelf.work()
    paused = shelf.run(run)
    assert paused.state == "paused" and "cap" in paused.stop_reason
    assert paused.cost_usd is not None and 0 < paused.cost_usd <= Decimal("0.1")
    asked = shelf.server.chats
    predict.resume_run(shelf.workbench, shelf.ana, shelf.project.id, run.id, Decimal("5"))
    shelf.work()
    parts = sum(row.parts for row in shelf.rows(sa.select(t.run_asset.c.parts)))
    assert 0 < asked < parts == shelf.server.chats and shelf.run(run).done == 3


def test_one_refused_piece_does_not_cost_the_whole_text(small: Shelf) -> None:
    good = small.server.value

    def value(key: str, schema: dict[str, Any], text: str) -> Any:
        return (
            "Purple" if key == "mood" and text.startswith(small.texts[0][:200]) else good(key, schema, text)
        )

    small.server.value = value  # type: ignore[method-assign]
    reply = small.server.chat

    async def chat(call: Any) -> None:
        if "Part 2 of" in call.json["messages"][-1]["content"]:
            small.server.chats += 1
            await call.send({"error": {"message": "content_filter"}}, 400)
        else:
            await reply(call)

    small.server.chat = chat  # type: ignore[method-assign]
    run = small.start(small.plan(chunk_tokens=300))
    small.work()
    assert small.run(run).done == 1
    found = small.prediction(small.ids[0])
    assert found.problems[0].code == "part_unread" and "refused" in found.problems[0].message
    assert 0 < len(small.spans(small.ids[0])) < len(places(small.texts[0]))
    [row] = small.rows(sa.select(t.asset.c.confidence))
    assert row.confidence == 0.0, "a text that was not read whole comes first"


def test_reading_again_reads_all_parts(shelf: Shelf) -> None:
    run = shelf.start(shelf.plan(chunk_tokens=300, questions="each"))
    shelf.work()
    chats = shelf.server.chats
    before = shelf.spans(shelf.ids[0])
    assert again.reread(shelf.workbench, shelf.ana, shelf.project.id, run.id) == 0
    with shelf.workbench.store.write() as tx:
        tx.execute(
            t.exchange.update()
            .where(t.exchange.c.asset_id == shelf.ids[0], t.exchange.c.part == 0)
            .values(reply={"text": '{"mood": "Stormy"}', "finish": "stop"})
        )
    again.reread(shelf.workbench, shelf.ana, shelf.project.id, run.id)
    assert shelf.server.chats == chats and shelf.spans(shelf.ids[0]) == before


def test_the_estimate_counts_every_request(shelf: Shelf) -> None:
    change = models.ProviderChange(input_usd_per_mtok=1.0, output_usd_per_mtok=1.0)
    models.change_provider(shelf.workbench, shelf.ana, shelf.provider.id, change)
    plan = shelf.plan(chunk_tokens=300)
    guess = prompts.estimate(shelf.workbench, shelf.ana, shelf.project.id, plan)
    assert guess.assets == 3 and guess.requests > 10 and "requests per asset" in guess.note
    run = shelf.start(plan)
    shelf.work()
    # What the run learns about counting may move a border.
    assert abs(shelf.server.chats - guess.requests) <= 2
    assert guess.usd_low is not None and guess.usd_high is not None
    assert abs(guess.prompt_tokens / shelf.run(run).prompt_tokens - 1) < 0.3


def test_the_preview_shows_every_part(small: Shelf) -> None:
    def look(part: int) -> prompts.Preview:
        return prompts.preview(
            small.workbench, small.ana, small.project.id, asset_id=small.ids[0], template=None, template_version=0,
            examples=ExamplePolicy(), model="finder", part=part,
            decoding=Decoding(chunk_tokens=300, questions="each"),
        )  # fmt: skip

    first = look(0)
    assert first.parts > 10 and first.questions == ("mood",)
    last = look(first.parts - 1)
    assert last.questions == ("ner",) and last.end == len(small.texts[0]) and last.piece == last.pieces - 1
    assert f"Part {last.pieces} of {last.pieces}" in last.messages[-1].content
    with pytest.raises(NotFound):
        look(first.parts)
    small.start(small.plan(chunk_tokens=300, questions="each"))
    small.work()
    sent = [body["messages"][-1]["content"] for body in small.server.seen.bodies]
    assert all(look(n).messages[-1].content in sent for n in (0, first.parts // 2, first.parts - 1))
