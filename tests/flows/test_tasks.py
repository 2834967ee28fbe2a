"""Relations, links and nested labels from a list of entities and a model's reply to people's answers and exports."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from labelwright.core.answer import Answers, ChoiceAnswer, RelationAnswer, SpanAnswer
from labelwright.core.errors import Invalid, NotFound
from labelwright.core.ontology import ChoiceQuestion, Label, Ontology, RelationQuestion, SpanQuestion
from labelwright.core.predictor import ExamplePolicy
from labelwright.core.project import ProjectSettings
from labelwright.flows import annotate, jobs, knowledge, measure, models, predict, setup, take
from labelwright.flows.prompts import Plan
from labelwright.formats import knowledge as lists
from labelwright.store import tables as t
from labelwright.workbench import Workbench
from tests import factories
from tests.endpoints.scripted import ScriptedServer, Step

TEXTS = [f"Anna leads Acme in Paris, says note {n}." for n in range(4)]
QUESTIONS = Ontology(
    questions=(
        SpanQuestion(id="e", name="Entities", labels=(Label(id="per", name="Person"), Label(id="org", name="Company"))),
        RelationQuestion(id="r", name="Relations", labels=(Label(id="leads", name="leads"),), from_question="e", to_question="e"),
        ChoiceQuestion(
            id="t", name="Topic",
            labels=(Label(id="eco", name="Economy"), Label(id="firms", name="Companies", parent="eco")),
        ),
    )
)  # fmt: skip
ROWS = "id,name,aliases\nQ2,Acme Records,Acme\nQ1,Acme Corporation,Acme\n"


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "companies.csv"
    path.write_text(ROWS, encoding="utf-8")
    return path


def obeys(number: int, body: dict[str, Any]) -> Step:
    """Marks what the text says, and links Acme to the candidate called Corporation, by the number in the prompt."""
    last = body["messages"][-1]["content"]
    corporation = re.search(r"(\d+)\. Acme Corporation \[Q1\]", last)
    said = {
        "entities": [
            {"id": "E1", "quote": "Anna", "type": "Person", "before": "", "after": "", "link": 0},
            {"id": "E2", "quote": "Acme", "type": "Company", "before": "", "after": "",
             "link": int(corporation[1]) if corporation else 0},
        ],
        "relations": [{"head": "E1", "type": "leads", "tail": "E2"}],
        "topic": "Economy > Companies",
    }  # fmt: skip
    return Step(text=json.dumps(said))


def test_from_a_list_and_a_reply_to_answers_examples_and_agreement(
    workbench: Workbench, scripted: ScriptedServer, rows: Path
) -> None:
    ana = factories.add_person(workbench, is_admin=True)
    project = factories.add_project(
        workbench, ana, QUESTIONS, ProjectSettings(learn_every=0, order="arrival")
    )
    ids = factories.add_assets(workbench, project, TEXTS)
    added = knowledge.add_file(workbench, ana, project.id, rows, "companies.csv").added
    assert knowledge.link_question(workbench, ana, project.id, "Entities", added.sha256) == 2
    asked: list[dict[str, Any]] = []

    def remembers(number: int, body: dict[str, Any]) -> Step:
        asked.append(body)
        return obeys(number, body)

    scripted.script = remembers
    provider = models.add_provider(
        workbench, ana, models.ProviderInput.model_validate({"name": "m", "base_url": scripted.base_url})
    )
    plan = Plan(provider_id=provider.id, model="scripted", examples=ExamplePolicy(kind="per_label", k=1))
    predict.start_run(workbench, ana, project.id, plan, batch_size=2)
    jobs.run_all(workbench)

    hand = take.take(workbench, ana, project.id, 4).turns
    turn = next(each for each in hand if each.prediction is not None)
    assert turn.prediction is not None and turn.prediction.problems == ()
    answers = turn.prediction.answers
    spans, relations = answers.get("e"), answers.get("r")
    assert isinstance(spans, SpanAnswer) and isinstance(relations, RelationAnswer)
    assert [span.link for span in spans.spans] == ["NIL", "Q1"]
    (one,) = relations.relations
    assert (one.from_id, one.to_id) == (spans.spans[0].id, spans.spans[1].id)
    assert answers.get("t") == ChoiceAnswer(labels=("firms",))

    # The same answers with ids of one's own are no change.
    own = json.loads(answers.model_dump_json())
    text = json.dumps(own)
    for n, span in enumerate(spans.spans):
        text = text.replace(span.id, f"own-{n}")
    sent = factories.submission(
        Answers.model_validate_json(text), ontology_version=2, prediction_id=turn.prediction.id
    )
    annotate.submit(workbench, ana, project.id, turn.asset.id, sent)
    figures = {a.question: a.mean for a in measure.numbers(workbench, ana, project.id).agreement}
    assert figures == {"e": 1.0, "r": 1.0, "t": 1.0}

    # What is linked to something the list does not have is refused at its place.
    bad = text.replace('"Q1"', '"Q77"')
    sent = factories.submission(Answers.model_validate_json(bad), ontology_version=2)
    with pytest.raises(Invalid) as refused:
        annotate.submit(workbench, ana, project.id, ids[1], sent)
    assert [(p.code, p.where) for p in refused.value.problems] == [("unknown_entity", "e/spans/1/link")]

    # The correction is an example of the next batch, with its candidates, its ids and its relation.
    predict.start_run(workbench, ana, project.id, plan, batch_size=2)
    jobs.run_all(workbench)
    messages = asked[-1]["messages"]
    assert "1. Acme Records [Q2] (also Acme)\n2. Acme Corporation [Q1]" in messages[1]["content"]
    shown = json.loads(messages[2]["content"])
    assert shown["relations"] == [{"head": "E1", "type": "leads", "tail": "E2"}]
    assert shown["topic"] == "Economy > Companies"


def test_lists_belong_to_their_project_and_are_named_by_their_content(
    workbench: Workbench, rows: Path
) -> None:
    ana, bob = factories.add_person(workbench), factories.add_person(workbench, "bob")
    project = factories.add_project(workbench, ana, QUESTIONS)
    one = knowledge.add_file(workbench, ana, project.id, rows, "companies.csv").added
    again = knowledge.add_file(workbench, ana, project.id, rows, "companies.csv", "Firms").added
    assert one.sha256 == again.sha256 and again.name == "Firms"
    assert [each.sha256 for each in knowledge.all_lists(workbench, ana, project.id)] == [one.sha256]
    found = knowledge.search(workbench, ana, project.id, one.sha256, "acme corp", 5)
    assert found[0].entity.id == "Q1"
    assert knowledge.entity(workbench, ana, project.id, one.sha256, "Q2").name == "Acme Records"
    other = factories.add_project(workbench, bob, QUESTIONS)
    for actor, where in ((bob, project.id), (bob, other.id)):
        with pytest.raises(NotFound):
            knowledge.search(workbench, actor, where, one.sha256, "acme", 5)
    linked = QUESTIONS.questions[0].model_copy(update={"knowledge": one.sha256})
    with pytest.raises(Invalid, match="list that this project does not have"):
        setup.change_ontology(
            workbench, bob, other.id, 1, Ontology(questions=(linked, *QUESTIONS.questions[1:]))
        )
    with workbench.store.read() as tx:
        assert tx.execute(sa.select(sa.func.count()).select_from(t.knowledge)).scalar() == 1


def test_every_row_that_is_no_entity_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(
        'id,name,aliases\nQ1,One,"a|b|a| "\n,No id,\nQ2,,\nNIL,None,\nQ1,Again,\nQ3,Three,\nQ4,Four,"[""x"", ""y""]"\n',
        encoding="utf-8",
    )
    entities, problems = lists.read(path, "list.csv")
    assert [(e.id, e.aliases) for e in entities] == [("Q1", ("a", "b")), ("Q3", ()), ("Q4", ("x", "y"))]
    codes = [p.code for p in problems]
    assert codes == ["no_id", "no_name", "bad_entity", "duplicate_entity"]
    assert lists.parse(b"".join(lists.lines(entities))) == entities
    (tmp_path / "bad.json").write_bytes(b"[1, 2, {}]")
    entities, problems = lists.read(tmp_path / "bad.json", "bad.json")
    assert entities == [] and len(problems) == 3
