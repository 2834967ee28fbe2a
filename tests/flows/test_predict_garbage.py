"""Whatever an endpoint sends, each asset ends once, as done or failed with a cause, and everything can be read back."""

import json
from typing import Any

import sqlalchemy as sa

from labelwright.core.ontology import ChoiceQuestion, Label, Ontology, SpanQuestion
from labelwright.core.project import ProjectSettings
from labelwright.flows import browse, jobs, models, predict, prompts, take, trial
from labelwright.providers import Pool, RetryPolicy
from labelwright.providers.lane import BreakerPolicy
from labelwright.store import tables as t
from labelwright.workbench import Workbench
from tests.endpoints.scripted import ScriptedServer, Step
from tests.factories import add_assets, add_person, add_project

ONTOLOGY = Ontology(
    questions=(
        ChoiceQuestion(
            id="s", name="Sentiment", labels=(Label(id="p", name="Positive"), Label(id="n", name="Negative"))
        ),
        SpanQuestion(id="e", name="People", labels=(Label(id="per", name="Person"),), required=False),
    )
)
GOOD = '{"sentiment": "Positive", "people": [{"quote": "Anna", "type": "Person", "before": "", "after": ""}]}'

SAID = {
    "empty": "", "blank": " \n\t ", "null": "null", "a number": "42", "a list": "[]", "half JSON": GOOD[:25],
    "half an entity": GOOD[:75], "fenced": f"```json\n{GOOD}\n```", "prose around": f"Sure! {GOOD} Anything else?",
    "Python": "{'sentiment': 'Positive', 'people': []}", "wrong label": '{"sentiment": "Purple", "people": []}',
    "other language": '{"gefühl": "positiv", "personen": []}', "a refusal": "I'm sorry, I can't help with that.",
    "NUL": '{"sentiment": "Positive\\u0000", "people": []}', "surrogate": '{"sentiment": "\\ud800", "people": []}',
    "a real NUL": "Posi\x00tive", "NaN": '{"sentiment": NaN, "people": Infinity}', "deep": "[" * 5_000,
    "deep object": '{"a":' * 5_000, "huge": "x" * 300_000, "repeated keys": '{"sentiment":"Positive","sentiment":"Negative"}',
    "a script": '<script>alert(1)</script>{"sentiment": "<b>Positive</b>"}', "an emoji": "👍", "only quotes": '""""',
    "unescaped quote": '{"sentiment": "Positive", "people": [{"quote": "An"na", "type": "Person"}]}',
    "null entity": '{"sentiment": "Positive", "people": [null, 1, "Anna", {"quote": null}]}',
    "absent entity": GOOD.replace("Anna", "Zoe"), "a million brackets": "{}" * 20_000, "two answers": GOOD + GOOD,
    "blank run": "{" + "\n" * 10_000, "abstention": '{"sentiment": "__none__", "people": []}',
    "wrong types": '{"sentiment": ["Positive"], "people": {"quote": "Anna"}}', "escapes": '{"sentiment": "\\x41"}',
    "mixed directions": "\u202e{}", "control characters": '{"sentiment": "Posi\x01tive"}',
}  # fmt: skip
"""Kinds of text a model may say."""

SENT: dict[str, Step] = {
    "cut": Step(text=GOOD[:40], finish="length"),
    "filtered": Step(text="", finish="content_filter"),
    "refused": Step("raw", body={"choices": [{"message": {"content": None, "refusal": "No."}}]}),
    "no choices": Step("raw", body={"choices": []}),
    "a list of parts": Step(
        "raw", body={"choices": [{"message": {"content": [{"type": "text", "text": GOOD}, 7]}}]}
    ),
    "numbers for text": Step(
        "raw", body={"choices": [{"message": {"content": 7}, "finish_reason": 3}], "usage": "many"}
    ),
    "broken tokens": Step(
        "raw", body={"choices": [{"message": {"content": GOOD}, "logprobs": {"content": [{"token": 1}]}}]}
    ),
    "tokens of another text": Step(
        "raw",
        body={
            "choices": [
                {"message": {"content": GOOD}, "logprobs": {"content": [{"token": "x", "logprob": -1.0}]}}
            ]
        },
    ),
    "huge counts": Step(
        "raw", body={"choices": [{"message": {"content": GOOD}}], "usage": {"prompt_tokens": 10**30}}
    ),
    "half JSON body": Step("half_json", text=GOOD),
    "cut stream": Step("cut_stream", text=GOOD),
    "reset": Step("reset"),
    "nonsense": Step("garbage_head"),
    "a page": Step("html"),
    "elsewhere": Step("redirect", text="http://127.0.0.1:9/"),
    "too large": Step("endless_body"),
    "too long": Step("error", status=400, body={"error": {"message": "maximum context length is 10 tokens"}}),
    "not found": Step("error", status=404),
    "teapot": Step("error", status=418, body=b"\xff\xfe\x00"),
    "500": Step("error", status=500),
    "503": Step("error", status=503, headers={"Retry-After": "0"}),
}
"""Kinds of HTTP answers."""


def steps() -> list[Step]:
    return [*(Step(text=text) for text in SAID.values()), *SENT.values()]


def test_every_kind_of_garbage_ends_as_done_or_failed_and_reads_back(
    workbench: Workbench, scripted: ScriptedServer
) -> None:
    garbage = steps()
    texts = [f"Asset {i:03d}: Anna liked it." for i in range(len(garbage))]
    by_text = dict(zip(texts, garbage, strict=True))

    def script(_: int, body: dict[str, Any]) -> Step:
        # By text and not by number: a repeated question gets the same garbage again.
        asked = json.dumps(body["messages"])
        return next(step for text, step in by_text.items() if text in asked)

    scripted.script = script
    patience = RetryPolicy(attempts=2, limited_attempts=2, base_s=0.001, cap_s=0.002, body_limit_bytes=2**20)
    never = BreakerPolicy(unreachable=10_000, unauthorized=10_000, server_error=10_000)
    workbench._pool = Pool(patience, never)
    ana = add_person(workbench, is_admin=True)
    project = add_project(workbench, ana, ONTOLOGY, ProjectSettings(audit_share=0))
    add_assets(workbench, project, texts)
    provider = models.add_provider(
        workbench, ana, models.ProviderInput(name="bad", base_url=scripted.base_url, concurrency=4)
    )
    plan = prompts.Plan(provider_id=provider.id, model="m")
    run = predict.start_run(workbench, ana, project.id, plan, batch_size=len(texts))
    jobs.run_all(workbench)
    ended = predict.view_run(workbench, ana, project.id, run.id).run
    for _ in range(5):
        if ended.state == "paused":
            # So much garbage in a row pauses a run; somebody goes on.
            predict.resume_run(workbench, ana, project.id, run.id)
            jobs.run_all(workbench)
            ended = predict.view_run(workbench, ana, project.id, run.id).run
    assert len(garbage) >= 42
    assert (ended.state, ended.done + ended.failed) == ("done", len(texts))
    assert ended.done >= 10 and sum(ended.failures.values()) == ended.failed >= 15
    with workbench.store.read() as tx:
        states = {row.state for row in tx.execute(sa.select(t.run_asset.c.state))}
        predictions = tx.execute(sa.select(t.prediction.c.asset_id)).all()
    assert states == {"done", "failed"} and len(predictions) == ended.done
    rows = trial.view_trial(workbench, ana, project.id, run.id).rows
    assert all(row.prediction is not None or row.failure for row in rows)
    trial.view_trial(workbench, ana, project.id, run.id).model_dump_json()
    turns = take.take(workbench, ana, project.id, 20).turns
    assert len(turns) == 20 and all(turn.model_dump_json() for turn in turns)
    assert browse.view(workbench, ana, project.id, turns[0].asset.id).model_dump_json()


def test_half_an_answer_is_never_a_label(sqlite_workbench: Workbench, scripted: ScriptedServer) -> None:
    bench = sqlite_workbench
    scripted.script = Step(text='{"sentiment": "Positive", "peo', finish="length")
    ana = add_person(bench, is_admin=True)
    project = add_project(bench, ana, ONTOLOGY)
    add_assets(bench, project, ["Anna liked it."])
    provider = models.add_provider(bench, ana, models.ProviderInput(name="cut", base_url=scripted.base_url))
    plan = prompts.Plan(provider_id=provider.id, model="m")
    run = predict.start_run(bench, ana, project.id, plan)
    jobs.run_all(bench)
    assert predict.view_run(bench, ana, project.id, run.id).run.failures == {"cut_reply": 1}


def test_a_run_against_llama_ends_with_confidences(sqlite_workbench: Workbench, tiny_llama_url: str) -> None:
    bench = sqlite_workbench
    ana = add_person(bench, is_admin=True)
    only_choice = Ontology(questions=ONTOLOGY.questions[:1])
    project = add_project(bench, ana, only_choice, ProjectSettings(private=True, audit_share=0))
    add_assets(bench, project, [f"Text {i}" for i in range(8)])
    wanted = models.ProviderInput(name="llama", base_url=tiny_llama_url, concurrency=2)
    provider = models.add_provider(bench, ana, wanted)
    seen = models.probe_provider(bench, ana, provider.id)
    assert seen.structured == "json_schema" and seen.logprobs
    plan = prompts.Plan(provider_id=provider.id, model=seen.models[0])
    run = predict.start_run(bench, ana, project.id, plan)
    jobs.run_all(bench)
    ended = predict.view_run(bench, ana, project.id, run.id).run
    assert (ended.state, ended.done, ended.failed) == ("done", 8, 0), ended.failures
    turns = take.take(bench, ana, project.id, 8).turns
    confidences = [turn.asset.confidence for turn in turns]
    assert None not in confidences and confidences == sorted(c for c in confidences if c is not None)
    answered = [
        turn.prediction for turn in turns if turn.prediction is not None and len(turn.prediction.answers)
    ]
    # Random weights show few alternatives, so the value may be 1; the lower bound tells that it is not sure at all.
    assert all(each.confidence["s"].scorer == "label_trie" for each in answered)
    assert all((each.confidence["s"].low or 0.0) < 0.9 for each in answered)
