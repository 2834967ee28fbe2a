"""Relations, links and nested labels in a real browser, by keyboard alone; then exported and read back."""

import json
import zipfile
from pathlib import Path

import pytest
import sqlalchemy as sa
from playwright.sync_api import Page, expect

from labelwright.core.answer import Answers, ChoiceAnswer, RelationAnswer, SpanAnswer
from labelwright.core.ontology import ChoiceQuestion, Label, Ontology, RelationQuestion, SpanQuestion
from labelwright.flows import setup
from labelwright.store import project as projects
from labelwright.store import tables as t
from labelwright.store import work
from tests.journeys.conftest import Served, axe
from tests.journeys.house import House

TEXT = "Anna leads Acme in Paris.\nBob owns Bolt."
TASKS = Ontology(
    questions=(
        SpanQuestion(
            id="entities",
            name="Entities",
            labels=(Label(id="person", name="Person"), Label(id="org", name="Company")),
        ),
        RelationQuestion(
            id="relations",
            name="Relations",
            labels=(Label(id="leads", name="leads"), Label(id="owns", name="owns")),
            from_question="entities",
            to_question="entities",
            from_labels=("person",),
            to_labels=("org",),
        ),
        ChoiceQuestion(
            id="topic",
            name="Topic",
            leaves_only=True,
            labels=(
                Label(id="economy", name="Economy"),
                Label(id="firms", name="Companies", parent="economy"),
                Label(id="money", name="Money", parent="economy"),
                Label(id="sport", name="Sport"),
            ),
        ),
    )
)
ENTITIES = (
    "id,name,aliases,description\n"
    'Q1,Acme Corporation,"Acme|Acme Inc.",makes everything\n'
    "Q2,Acme Records,Acme,a label for music\n"
    "Q3,Bolt,,bolts\n"
    ",nameless,,\n"
)


@pytest.fixture
def house(served: Served) -> House:
    return House(served)


def spans(answers: Answers) -> dict[str, tuple[str, str, str | None]]:
    answer = answers.get("entities")
    assert isinstance(answer, SpanAnswer)
    return {s.id: (TEXT[s.start : s.end], s.label, s.link) for s in answer.spans}


def relations(answers: Answers) -> list[tuple[str, str, str]]:
    answer, words = answers.get("relations"), spans(answers)
    assert isinstance(answer, RelationAnswer)
    return [(words[r.from_id][0], r.label, words[r.to_id][0]) for r in answer.relations]


def test_two_spans_a_relation_a_link_and_a_nested_label_by_keyboard_alone(
    page: Page, house: House, tmp_path: Path
) -> None:
    project, (asset,) = house.add_project([TEXT], TASKS)
    list_file = tmp_path / "companies.csv"
    list_file.write_text(ENTITIES, encoding="utf-8")
    said = house.served.command("knowledge", "add", str(project.id), str(list_file), "--question", "entities")
    assert "3 entities, 1 rows not taken" in said

    page.goto(f"{house.address}/projects/{project.id}/label")
    page.get_by_role("document", name="Text").wait_for()

    keys = page.keyboard
    keys.press("1")  # Anna is a person; the caret goes on to "leads"
    keys.press("ArrowRight")
    keys.press("2")  # Acme is a company
    expect(page.locator("mark")).to_have_count(2)
    # From the person to the company.
    keys.press("Home")
    keys.press("Space")
    keys.press("r")
    expect(page.get_by_role("status").filter(has_text="Anna → Acme")).to_be_visible()
    expect(page.locator("svg.lw-arcs path.lw-arc")).to_have_count(1)
    keys.press("1")
    row = page.get_by_role("list", name="Relations").get_by_role("listitem")
    expect(row).to_have_count(1)
    expect(page.locator("svg.lw-arcs .lw-arc-label")).to_have_text("leads")
    # Deleting the person takes the relation along; one undo brings both back.
    keys.press("Delete")
    expect(row).to_have_count(0)
    expect(page.locator("mark")).to_have_count(1)
    keys.press("Control+z")
    expect(row).to_have_count(1)
    expect(page.locator("mark")).to_have_count(2)
    # Which company: the second of the two that are called Acme.
    keys.press("Home")
    keys.press("ArrowRight")
    keys.press("ArrowRight")
    keys.press("Space")
    keys.press("e")
    option = page.get_by_role("option")
    expect(option.first).to_contain_text("Acme Corporation")
    assert axe(page) == []
    keys.press("ArrowDown")
    keys.press("Enter")
    expect(page.get_by_text("Acme Records [Q2]")).to_be_visible()
    # The nested label: two questions further down, first level, second level.
    keys.press("Escape")
    keys.press("ArrowDown")
    keys.press("ArrowDown")
    keys.press("1")
    expect(page.get_by_role("radio", name="Companies")).to_be_visible()
    keys.press("1")
    expect(page.get_by_text("Economy › Companies")).to_be_visible()
    assert axe(page) == []
    keys.press("Enter")
    expect(page.get_by_text("Nothing to label right now")).to_be_visible()

    ((answers,),) = house.answers([asset])
    assert sorted(spans(answers).values()) == [("Acme", "org", "Q2"), ("Anna", "person", None)]
    assert relations(answers) == [("Anna", "leads", "Acme")]
    assert answers.get("topic") == ChoiceAnswer(labels=("firms",))

    for form, name in (("labelwright", "assets.jsonl"), ("label_studio", "tasks.json")):
        target = tmp_path / f"{form}.zip"
        house.served.command("export", str(project.id), str(target), "--format", form)
        with zipfile.ZipFile(target) as archive:
            archive.extract(name, tmp_path)
            (listed,) = [each for each in archive.namelist() if each.startswith("entities_")]
            assert json.loads(archive.read(listed).splitlines()[1])["id"] == "Q2"
        with house.bench() as bench, bench.store.read() as tx:
            ontology = projects.ontology(tx, project.id, 2)
        assert ontology is not None
        other, _ = house.add_project([], Ontology(questions=(TASKS.questions[2],)))
        # A project that has the same list and the same questions.
        house.served.command("knowledge", "add", str(other.id), str(list_file))
        with house.bench() as bench:
            setup.change_ontology(bench, house.person, other.id, 1, ontology)
        house.served.command("import", str(other.id), str(tmp_path / name))
        with house.bench() as bench, bench.store.read() as tx:
            (copy,) = tx.execute(sa.select(t.asset.c.id).where(t.asset.c.project_id == other.id)).scalars()
            (again,) = [a.answers for a in work.current_for_asset(tx, copy)]
        assert again == answers, form


def test_a_relation_nested_labels_and_a_condition_are_made_in_the_browser(page: Page, house: House) -> None:
    project, _ = house.add_project(["x"], Ontology(questions=TASKS.questions[:1]))
    page.goto(f"{house.address}/projects/{project.id}/questions")
    add = page.get_by_role("button", name="Add a question")
    add.click()
    page.get_by_role("menuitem", name="One label").click()
    topic = page.get_by_role("region").nth(1)
    topic.get_by_role("textbox", name="Question 2").fill("Topic")
    for n, name in enumerate(("Economy", "Companies"), start=1):
        page.get_by_label(f"Label {n}", exact=True).nth(1).fill(name)
    page.get_by_role("button", name="Put Companies under the label before it").click()
    add.click()
    page.get_by_role("menuitem", name="Relation between marks").click()
    page.get_by_role("textbox", name="Question 3").fill("Leads")
    page.get_by_label("Label 1", exact=True).nth(2).fill("leads")
    page.get_by_label("Ask only if").last.select_option("Topic")
    page.get_by_label("is answered with").first.click(force=True)
    page.get_by_role("option", name="Economy").click()
    page.keyboard.press("Escape")
    assert axe(page) == []
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Version 2 is stored.").wait_for()
    with house.bench() as bench:
        found = setup.current_ontology(bench, house.person, project.id)
    topic_made, leads = found.questions[1], found.questions[2]
    assert isinstance(topic_made, ChoiceQuestion) and isinstance(leads, RelationQuestion)
    assert [(x.name, x.parent) for x in topic_made.labels] == [("Economy", None), ("Companies", "economy")]
    assert (leads.from_question, leads.to_question, leads.directed) == ("entities", "entities", True)
    # A condition on a label holds for what stands under it.
    assert leads.depends_on is not None
    assert leads.depends_on.labels == ("economy", "companies")
