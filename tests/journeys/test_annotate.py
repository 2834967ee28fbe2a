"""Labelling in a real browser: classify, mark, decide, take back, skip; nothing is lost when the server dies."""

from collections.abc import Sequence
from typing import Any

import pytest

from labelwright.core.answer import Answers, ChoiceAnswer, Span, SpanAnswer
from labelwright.core.ontology import (
    ChoiceQuestion,
    Label,
    Ontology,
    ScalarQuestion,
    SpanQuestion,
    TextQuestion,
)
from labelwright.core.project import Project
from labelwright.flows import annotate, people
from labelwright.store import work
from tests import factories
from tests.journeys.conftest import Served, axe, until
from tests.journeys.house import House

ENTITIES = Ontology(
    questions=(
        SpanQuestion(
            id="entities",
            name="Entities",
            labels=(
                Label(id="person", name="Person"),
                Label(id="place", name="Location"),
                Label(id="org", name="Organisation"),
            ),
        ),
    )
)
FORM = Ontology(
    guideline="Read the whole review before answering.",
    questions=(
        ChoiceQuestion(
            id="sentiment",
            name="Sentiment",
            labels=(Label(id="positive", name="Positive"), Label(id="negative", name="Negative")),
        ),
        ChoiceQuestion(
            id="topics",
            name="Topics",
            multiple=True,
            required=False,
            labels=(Label(id="food", name="Food"), Label(id="staff", name="Staff"), Label(id="price", name="Price")),
        ),
        ScalarQuestion(id="stars", name="Stars", type="integer", minimum=1, maximum=5, unit="stars"),
        TextQuestion(id="note", name="Note", required=False),
        SpanQuestion(
            id="entities",
            name="Entities",
            overlap=True,
            required=False,
            labels=(Label(id="person", name="Person"), Label(id="place", name="Location")),
        ),
    ),
)  # fmt: skip


@pytest.fixture
def house(served: Served) -> House:
    """The data behind the page."""
    return House(served)


def label_of(found: Sequence[Answers], question: str = "sentiment") -> str:
    (one,) = found
    answer = one.get(question)
    assert isinstance(answer, ChoiceAnswer)
    return ",".join(answer.labels)


def spans_of(found: Sequence[Answers], text: str, question: str = "entities") -> list[tuple[str, str]]:
    (one,) = found
    answer = one.get(question)
    assert isinstance(answer, SpanAnswer)
    return sorted((text[s.start : s.end], s.label) for s in answer.spans)


def go(page: Any, house: House, project: Project, mode: str = "label") -> None:
    page.goto(f"{house.address}/projects/{project.id}/{mode}")


def shows(page: Any, text: str) -> None:
    page.get_by_role("main").get_by_text(text, exact=False).first.wait_for()


def stage_of(page: Any) -> Any:
    """The text being worked on."""
    return page.get_by_role("document", name="Text")


def settled(page: Any) -> None:
    """Everything handed in has arrived."""
    page.locator(".lw-sync", has_text="Saved").wait_for()


TEXTS = [f"Review number {n}." for n in range(1, 8)]


def test_a_text_is_classified_with_two_keys(house: House, page: Any) -> None:
    project, ids = house.add_project(TEXTS[:3])
    go(page, house, project)
    for text, digit in zip(TEXTS[:3], "121", strict=True):
        shows(page, text)
        page.keyboard.press(digit)
        page.keyboard.press("Enter")
    page.get_by_text("Nothing to label right now").wait_for()
    settled(page)
    assert [label_of(found) for found in house.answers(ids)] == ["positive", "negative", "positive"]


def test_a_missing_answer_is_pointed_out_and_nothing_is_sent(house: House, page: Any) -> None:
    project, ids = house.add_project(TEXTS[:1])
    go(page, house, project)
    shows(page, TEXTS[0])
    page.keyboard.press("Enter")
    page.get_by_role("alert").get_by_text("Sentiment").wait_for()
    assert house.submissions(ids) == 0


def test_every_kind_of_question_is_answered_from_the_keyboard(house: House, page: Any) -> None:
    text = "Anna served pasta in Rome."
    project, ids = house.add_project([text], FORM)
    go(page, house, project)
    shows(page, text)
    for key in ("1", "ArrowDown", "1", "3", "ArrowDown", "4", "ArrowDown", "ArrowDown", "1"):
        page.keyboard.press(key)
    page.get_by_role("textbox", name="Note").focus()
    page.keyboard.type("1 kind waiter")
    page.keyboard.press("Control+Enter")
    page.get_by_text("Nothing to label right now").wait_for()
    settled(page)
    (found,) = house.answers(ids)
    assert {k: v for k, v in found[0].model_dump().items() if k != "entities"} == {
        "sentiment": {"kind": "choice", "labels": ("positive",)},
        "topics": {"kind": "choice", "labels": ("food", "price")},
        "stars": {"kind": "scalar", "value": 4},
        "note": {"kind": "text", "text": "1 kind waiter"},
    }
    assert spans_of(found, text) == [("Anna", "person")]


NEWS = "Angela Merkel met Tim Cook of Apple in Berlin."


def test_entities_are_marked_with_the_keyboard_alone(house: House, page: Any) -> None:
    project, ids = house.add_project([NEWS], ENTITIES)
    go(page, house, project)
    stage_of(page).wait_for()
    for key in (
        "Shift+ArrowRight", "1",  # Angela Merkel
        "ArrowRight", "Shift+ArrowRight", "1",  # Tim Cook
        "ArrowRight", "3",  # Apple
        "ArrowRight", "2",  # Berlin
    ):  # fmt: skip
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    page.get_by_text("Nothing to label right now").wait_for()
    settled(page)
    assert spans_of(house.answers(ids)[0], NEWS) == [
        ("Angela Merkel", "person"), ("Apple", "org"), ("Berlin", "place"), ("Tim Cook", "person"),
    ]  # fmt: skip


def test_entities_are_marked_with_the_mouse(house: House, page: Any) -> None:
    project, ids = house.add_project([NEWS], ENTITIES)
    go(page, house, project)
    stage = stage_of(page)
    stage.wait_for()
    place = page.evaluate(
        """([first, last]) => {
            const node = document.querySelector('[role=document] p > [data-start]').firstChild;
            const box = (from, to) => { const r = document.createRange(); r.setStart(node, from); r.setEnd(node, to);
                const b = r.getBoundingClientRect(); return {x: b.x, right: b.right, y: b.y + b.height / 2, mid: b.x + b.width / 2}; };
            return {name: box(0, 13), berlin: box(first, last)};
        }""",
        [NEWS.index("Berlin"), NEWS.index("Berlin") + 6],
    )
    page.mouse.move(place["name"]["x"] + 1, place["name"]["y"])
    page.mouse.down()
    page.mouse.move(place["name"]["right"] - 1, place["name"]["y"], steps=5)
    page.mouse.up()
    page.get_by_role("button", name="Person").click()
    page.get_by_role("listitem").filter(has_text="Angela Merkel").wait_for()
    # The tag after the first name moved the rest of the line.
    berlin = page.evaluate(
        """() => { for (const piece of document.querySelectorAll('[role=document] p > [data-start]')) {
            const at = piece.textContent.indexOf('Berlin'); if (at < 0) continue;
            const r = document.createRange(); r.setStart(piece.firstChild, at); r.setEnd(piece.firstChild, at + 6);
            const b = r.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; } }"""
    )
    page.mouse.dblclick(*berlin)
    page.keyboard.press("2")
    page.get_by_role("listitem").filter(has_text="Berlin").wait_for()
    # A click on a mark picks it; a label changes it.
    page.locator("mark", has_text="Berlin").click()
    page.get_by_role("button", name="Organisation").click()
    page.get_by_role("button", name="Submit").click()
    page.get_by_text("Nothing to label right now").wait_for()
    settled(page)
    assert spans_of(house.answers(ids)[0], NEWS) == [("Angela Merkel", "person"), ("Berlin", "org")]


def suggest(house: House, project: Project, asset_id: int) -> None:
    spans = (
        Span(id="s1", label="person", start=0, end=13, score=0.97, alignment="exact"),
        Span(id="s2", label="person", start=30, end=35, score=0.41, alignment="exact"),
        Span(id="s3", label="place", start=39, end=45, score=0.88, alignment="exact"),
    )
    with house.bench() as bench:
        factories.predict(bench, project, asset_id, 0.41, Answers.of({"entities": SpanAnswer(spans=spans)}))


def test_the_least_certain_suggestion_is_walked_to_first_and_corrected(house: House, page: Any) -> None:
    project, ids = house.add_project([NEWS], ENTITIES)
    suggest(house, project, ids[0])
    go(page, house, project)
    page.locator("mark[aria-label='Apple, Person, model, 41 percent']").wait_for()
    page.keyboard.press("n")
    page.locator("mark.lw-picked", has_text="Apple").wait_for()
    page.keyboard.press("3")
    page.locator("mark[aria-label='Apple, Organisation, person']").wait_for()
    page.keyboard.press("n")
    page.locator("mark.lw-picked", has_text="Berlin").wait_for()
    page.keyboard.press("y")
    page.locator("mark[aria-label='Berlin, Location, person']").wait_for()
    page.keyboard.press("Enter")
    settled(page)
    page.get_by_text("Nothing to label right now").wait_for()
    assert spans_of(house.answers(ids)[0], NEWS) == [
        ("Angela Merkel", "person"), ("Apple", "org"), ("Berlin", "place"),
    ]  # fmt: skip


def test_undo_and_redo_reach_every_step(house: House, page: Any) -> None:
    project, _ = house.add_project([NEWS], ENTITIES)
    go(page, house, project)
    stage_of(page).wait_for()
    page.keyboard.press("1")
    page.keyboard.press("2")
    page.locator("mark").nth(1).wait_for()
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    page.locator("mark").first.wait_for(state="detached")
    page.keyboard.press("Control+Shift+z")
    page.locator("mark", has_text="Angela").wait_for()
    assert page.locator("mark").count() == 1


def test_the_last_submission_is_taken_back_with_its_answers(house: House, page: Any) -> None:
    project, ids = house.add_project(TEXTS[:2])
    go(page, house, project)
    shows(page, TEXTS[0])
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    shows(page, TEXTS[1])
    settled(page)
    page.keyboard.press("u")
    shows(page, TEXTS[0])
    page.get_by_role("radio", name="Negative", checked=True).wait_for()
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    shows(page, TEXTS[1])
    settled(page)
    assert label_of(house.answers(ids)[0]) == "positive"


def test_a_skipped_text_goes_away_and_can_be_asked_for_again(house: House, page: Any) -> None:
    project, ids = house.add_project(TEXTS[:1])
    go(page, house, project)
    shows(page, TEXTS[0])
    page.keyboard.press("i")
    page.get_by_role("textbox", name="Reason").fill("not a review")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Show the skipped ones again").wait_for()
    with house.bench() as bench, bench.store.read() as tx:
        assert [skip.reason for skip in work.skips_of(tx, ids[0])] == ["not a review"]
    page.get_by_role("button", name="Show the skipped ones again").click()
    shows(page, TEXTS[0])


def deciding(page: Any, text: str) -> None:
    page.locator(".lw-decide-text", has_text=text).wait_for()


def test_decide_takes_one_key_per_text_and_takes_back(house: House, page: Any) -> None:
    project, ids = house.add_project(TEXTS[:4])
    with house.bench() as bench:
        for asset_id in ids:
            factories.predict(bench, project, asset_id, 0.8)
    go(page, house, project, "decide")
    deciding(page, TEXTS[0])
    page.keyboard.press("a")
    deciding(page, TEXTS[1])
    page.keyboard.press("x")
    page.keyboard.press("2")
    deciding(page, TEXTS[2])
    page.keyboard.press("Space")
    deciding(page, TEXTS[3])
    settled(page)
    page.keyboard.press("Backspace")
    deciding(page, TEXTS[1])
    page.keyboard.press("1")
    deciding(page, TEXTS[3])
    page.keyboard.press("2")
    settled(page)
    page.get_by_text("Nothing to label right now").wait_for()
    found = house.answers(ids)
    assert [label_of(found[i]) for i in (0, 1, 3)] == ["positive", "positive", "negative"]
    assert found[2] == []


def test_a_draft_survives_a_reload(house: House, page: Any) -> None:
    project, ids = house.add_project([NEWS, "Another text."], ENTITIES)
    go(page, house, project)
    stage_of(page).wait_for()
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("1")
    page.locator("mark", has_text="Angela Merkel").wait_for()
    page.wait_for_timeout(700)
    page.reload()
    page.locator("mark", has_text="Angela Merkel").wait_for()
    assert house.submissions(ids) == 0


def test_nothing_is_lost_or_doubled_when_the_server_is_killed(house: House, page: Any) -> None:
    texts = [f"Text {n} of many." for n in range(1, 13)]
    project, ids = house.add_project(texts)
    go(page, house, project)
    for n, text in enumerate(texts):
        if n == 4:
            page.wait_for_timeout(1_000)  # the next texts are being prefetched
            house.served.kill()
        if n == 8:
            # The hand is empty now: what was prefetched is labelled and kept here.
            page.get_by_text("Offline").first.wait_for()
            house.served.start()
        shows(page, text)
        page.keyboard.press("1" if n % 2 else "2")
        page.keyboard.press("Enter")
    page.get_by_text("Nothing to label right now").wait_for()
    settled(page)
    stored = house.answers(ids)
    assert [label_of(found) for found in stored] == ["negative", "positive"] * 6
    assert house.submissions(ids) == len(texts)


def test_what_a_left_screen_did_not_send_is_sent_from_the_next_one(house: House, page: Any) -> None:
    project, ids = house.add_project(TEXTS[:2])
    go(page, house, project)
    shows(page, TEXTS[0])
    page.route("**/annotations", lambda route: route.abort())
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    page.get_by_text("Offline").first.wait_for()
    assert house.submissions(ids) == 0
    page.unroute("**/annotations")
    with page.expect_response("**/annotations"):
        page.goto(f"{house.address}/projects/{project.id}")
    assert house.submissions(ids) == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_screens_are_accessible(house: House, page: Any, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    project, ids = house.add_project([NEWS, *TEXTS[:2]], FORM)
    suggest(house, project, ids[0])
    go(page, house, project)
    page.locator("mark").first.wait_for()
    page.keyboard.press("n")
    assert axe(page) == []
    page.keyboard.press("?")
    page.get_by_role("dialog").wait_for()
    page.wait_for_timeout(400)
    assert axe(page) == []
    page.keyboard.press("Escape")
    other, more = house.add_project(TEXTS[:2])
    with house.bench() as bench:
        factories.predict(bench, other, more[0], 0.8)
    go(page, house, other, "decide")
    shows(page, TEXTS[0])
    assert axe(page) == []


def test_two_quick_enters_make_one_submission(house: House, page: Any) -> None:
    project, ids = house.add_project(TEXTS[:2])
    with house.bench() as bench:
        for asset_id in ids:
            factories.predict(bench, project, asset_id, 0.8)
    go(page, house, project)
    shows(page, TEXTS[0])
    page.evaluate(
        """() => { const at = document.querySelector('.lw-work');
            for (const _ of [1, 2]) at.dispatchEvent(new KeyboardEvent('keydown',
                {key: 'Enter', code: 'Enter', bubbles: true, cancelable: true})); }"""
    )
    shows(page, TEXTS[1])
    settled(page)
    assert house.submissions(ids) == 1


def test_a_label_is_found_by_typing_its_name(house: House, page: Any) -> None:
    project, _ = house.add_project([NEWS], ENTITIES)
    go(page, house, project)
    stage_of(page).wait_for()
    page.keyboard.press("l")
    page.get_by_role("dialog").wait_for()
    page.keyboard.type("Orga")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.locator("mark[aria-label='Angela, Organisation, person']").wait_for()
    # The keys work again where they were.
    page.keyboard.press("1")
    page.locator("mark[aria-label='Merkel, Person, person']").wait_for()


def test_one_key_marks_every_identical_string(house: House, page: Any) -> None:
    project, _ = house.add_project(["Oslo is in Norway. Oslo is large. Oslo!"], ENTITIES)
    go(page, house, project)
    stage_of(page).wait_for()
    for key in ("2", "n", "s"):
        page.keyboard.press(key)
    page.get_by_text("2 more marked").wait_for()
    assert page.locator("mark", has_text="Oslo").count() == 3
    page.keyboard.press("Control+z")
    until(page, "() => document.querySelectorAll('mark').length === 1")


def test_an_answer_given_twice_in_two_windows_is_shown_and_chosen(house: House, page: Any) -> None:
    project, ids = house.add_project(TEXTS[:2])
    go(page, house, project)
    shows(page, TEXTS[0])
    with house.bench() as bench:
        annotate.submit(bench, house.person, project.id, ids[0], factories.submission(factories.NEGATIVE))
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="1 answer was refused").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("Negative").wait_for()
    dialog.get_by_text("Positive").wait_for()
    assert axe(page) == []
    dialog.get_by_role("button", name="Use the answer from here").click()
    dialog.wait_for(state="detached")
    settled(page)
    assert label_of(house.answers(ids)[0]) == "positive"
    assert house.submissions(ids) == 2


def test_an_ended_session_loses_nothing(house: House, page: Any) -> None:
    project, ids = house.add_project(TEXTS[:2])
    with house.bench() as bench:
        people.set_password(bench, house.person, "correct horse battery", current=None, cookie="")
    page.goto(house.served.address)
    page.context.clear_cookies()
    page.goto(house.address)
    page.get_by_label("Name").fill(house.person.name)
    page.locator("input[autocomplete=current-password]").fill("correct horse battery")
    page.keyboard.press("Enter")
    page.get_by_role("banner").wait_for()
    go(page, house, project)
    shows(page, TEXTS[0])
    page.wait_for_timeout(1_000)  # the next texts are being prefetched
    page.context.clear_cookies()
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    page.locator(".lw-sync", has_text="Signed out").wait_for()
    shows(page, TEXTS[1])
    page.locator(".lw-sync").get_by_role("button", name="Sign in").click()
    page.get_by_role("dialog").get_by_label("Name").fill(house.person.name)
    page.get_by_role("dialog").locator("input[autocomplete=current-password]").fill("correct horse battery")
    page.keyboard.press("Enter")
    settled(page)
    assert label_of(house.answers(ids)[0]) == "positive"


def test_one_new_span_redraws_one_paragraph_of_a_long_text(house: House, page: Any) -> None:
    paragraph = (
        "Anna met Bob Ray in Oslo on a cold and rainy day; they spoke of Apple and of nothing else at all."
    )
    text = "\n".join([paragraph] * 1_000)
    size = len(paragraph) + 1
    spans = tuple(
        Span(id=f"s{n}-{at}", label="person", start=n * size + at, end=n * size + at + 4, score=0.9)
        for n in range(1_000)
        for at in (0, paragraph.index("Oslo"))
    )
    project, ids = house.add_project([text], ENTITIES)
    with house.bench() as bench:
        factories.predict(bench, project, ids[0], 0.9, Answers.of({"entities": SpanAnswer(spans=spans)}))
    go(page, house, project)
    page.locator("mark").nth(1_999).wait_for(state="attached")
    page.evaluate(
        """() => { window.touched = new Set();
            new MutationObserver(found => { for (const each of found) {
                const p = (each.target.nodeType === 1 ? each.target : each.target.parentElement).closest('p[data-start]');
                if (p) window.touched.add(p.dataset.start); } })
            .observe(document.querySelector('.lw-text'), {childList: true, subtree: true, attributes: true, characterData: true}); }"""
    )
    for key in ("ArrowRight", "ArrowRight", "Shift+ArrowRight", "3"):
        page.keyboard.press(key)
    page.locator("mark[aria-label='Bob Ray, Organisation, person']").wait_for()
    assert page.evaluate("[...window.touched]") == ["0"]


def test_labelling_goes_on_while_the_server_is_away_and_the_window_changes(house: House, page: Any) -> None:
    project, _ = house.add_project(TEXTS[:3])
    go(page, house, project)
    shows(page, TEXTS[0])
    page.wait_for_timeout(2_500)  # until what is known of the project counts as old
    house.served.kill()
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_timeout(4_000)  # long enough for the attempts to read it anew to fail
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    shows(page, TEXTS[1])
    page.locator(".lw-sync", has_text="Offline").wait_for()


def test_an_answer_that_was_not_sent_yet_is_taken_back_without_the_server(house: House, page: Any) -> None:
    project, ids = house.add_project(TEXTS[:3])
    go(page, house, project)
    shows(page, TEXTS[0])
    page.wait_for_timeout(1_000)  # the next texts are being prefetched
    house.served.kill()
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    shows(page, TEXTS[1])
    page.locator(".lw-sync", has_text="Offline").wait_for()
    page.keyboard.press("u")
    shows(page, TEXTS[0])
    page.get_by_role("radio", name="Positive", checked=True).wait_for()
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    shows(page, TEXTS[1])
    house.served.start()
    settled(page)
    assert [label_of(found) for found in house.answers(ids)[:1]] == ["negative"]
    assert house.submissions(ids) == 1
