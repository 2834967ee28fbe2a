"""Texts rewritten with marks around their mentions."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelwright.core.answer import SpanAnswer
from labelwright.core.conform import conform
from labelwright.core.exchange import Reply
from labelwright.core.ontology import Label, Ontology, SpanQuestion
from labelwright.prompting import align_marked, read
from tests.prompting.made import TEXTS

TEXT = "Anna met Bob in  Paris.\nBob left."


def placed(
    marked: str, text: str = TEXT, tags: tuple[str, ...] = ()
) -> tuple[list[tuple[int, int, str]], list[str]]:
    spans, problems = align_marked(text, marked, tags)
    return [(s.start, s.end, s.label) for s in spans], [p.code for p in problems]


@pytest.mark.parametrize(
    ("marked", "spans", "codes"),
    [
        ('<span class="P">Anna</span> met Bob in  Paris.\nBob left.', [(0, 4, "P")], []),
        ("<span class='P'>Anna</span> met Bob in Paris. Bob left.", [(0, 4, "P")], []),
        ("<span class=P>Anna</span> met Bob in Paris. Bob left.", [(0, 4, "P")], []),
        ('Anna met Bob in Paris. <span class="P"> Bob </span>left.', [(24, 27, "P")], []),
        ("Anna met Bob in Paris. @@Bob## left.", [(24, 27, "")], []),
        ('```html\n<span class="P">Anna</span> met Bob in Paris. Bob left.\n```', [(0, 4, "P")], []),
        ('Here you are: <span class="P">Anna</span> met Bob in Paris. Bob left.', [(0, 4, "P")], ["rewritten"]),
        ('Anna met <span class="P">Bob</span> in Paris. Bob lef', [(9, 12, "P")], []),
        ('Anna met <span class="P">Bob in Paris. Bob left.', [], ["cut_reply"]),
        ('<span class="P"></span>Anna met Bob in Paris. Bob left.', [], ["empty_span"]),
        ('<span class="A"><span class="P">Anna</span> met</span> Bob in Paris. Bob left.', [(0, 4, "P"), (0, 8, "A")], []),
        ("Anna met Bob in Paris. Bob left.", [], []),
        ('Somebody called <span class="P">Zoe</span> came along.', [], ["rewritten", "not_found"]),
    ],
)  # fmt: skip
def test_marks(marked: str, spans: list[tuple[int, int, str]], codes: list[str]) -> None:
    assert placed(marked) == (spans, codes)


def test_tags_named_like_labels_are_marks() -> None:
    assert placed("<P>Anna</P> met Bob in Paris. Bob left.", tags=("P", "Place")) == ([(0, 4, "P")], [])


def test_a_mark_that_the_text_itself_contains_is_text() -> None:
    text = "use <b class=x>bold</b> and ## here"
    assert placed('use <b class=x>bold</b> and ## <span class="P">here</span>', text) == ([(31, 35, "P")], [])


def test_the_second_of_two_equal_words_keeps_its_place_when_the_copy_changed() -> None:
    spans, codes = placed('Anna met him in Paris, France. Later <span class="P">Bob</span> left.')
    assert spans == [(24, 27, "P")]
    assert codes == ["rewritten"]


NER = [
    Ontology(
        questions=(
            SpanQuestion(
                id="e",
                name="Ent",
                overlap=overlap,
                labels=(Label(id="P", name="Person"), Label(id="L", name="Place")),
            ),
        )
    )
    for overlap in (False, True)
]


def test_nested_marks_are_refused_where_spans_may_not_overlap() -> None:
    said = '<span class="Place"><span class="Person">Anna</span> met</span> Bob in Paris. Bob left.'
    reading = read(NER[0], TEXT, [Reply(text=said)])
    answer = reading.answers.get("e")
    assert isinstance(answer, SpanAnswer) and len(answer.spans) == 1
    assert [p.code for p in reading.problems] == ["spans_overlap"]
    reading = read(NER[1], TEXT, [Reply(text=said)])
    answer = reading.answers.get("e")
    assert isinstance(answer, SpanAnswer) and len(answer.spans) == 2


@settings(deadline=None, max_examples=300)
@given(TEXTS, st.data())
def test_marks_put_into_a_text_are_found_where_they_were_put(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=6)))
    pairs = [
        (a, b)
        for a, b in zip(cuts[::2], cuts[1::2], strict=False)
        if text[a:b].strip() and text[a:b] == text[a:b].strip()
    ]
    marked, at = "", 0
    for start, end in pairs:
        marked += text[at:start] + f'<span class="L">{text[start:end]}</span>'
        at = end
    spans, problems = align_marked(text, marked + text[at:])
    if "<" not in text and "@@" not in text and "##" not in text:
        assert [(s.start, s.end) for s in spans] == pairs
        assert problems == []


@settings(deadline=None, max_examples=300)
@given(
    TEXTS,
    st.lists(
        st.sampled_from(
            [
                '<span class="Person">',
                "</span>",
                "<Place>",
                "</Place>",
                "@@",
                "##",
                "Anna",
                " ",
                "Bob",
                "<b>",
                "```\n",
            ]
        ),
        max_size=20,
    ).map("".join),
    st.sampled_from(["stop", "length"]),
)
def test_any_marks_give_answers_that_conform(text: str, said: str, finish: str) -> None:
    for ontology in NER:
        for body in (said, said + text, said.join(text.split(" "))):
            reading = read(ontology, text, [Reply(text=body, finish=finish)])
            assert conform(ontology, reading.answers, len(text), complete=False) == []
