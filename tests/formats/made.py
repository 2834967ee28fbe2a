"""Makes what exporters get, and files for readers."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from labelwright.core.annotation import Annotation
from labelwright.core.answer import Answers, ChoiceAnswer, ScalarAnswer, Span, SpanAnswer, TextAnswer
from labelwright.core.asset import Asset
from labelwright.core.ontology import (
    ChoiceQuestion,
    Label,
    Ontology,
    ScalarQuestion,
    SpanQuestion,
    TextQuestion,
)
from labelwright.core.predictor import Confidence, Prediction
from labelwright.core.problem import Problem
from labelwright.core.transfer import Incoming, Outgoing
from labelwright.formats import Mapping, open_source, writer
from labelwright.formats.output import Exporting, Losses

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PEOPLE = (Label(id="per", name="PER"), Label(id="loc", name="LOC"))
TOPICS = (Label(id="a", name="Sport & Games"), Label(id="b", name='He said "no"'))
FULL = Ontology(
    version=3,
    questions=(
        ChoiceQuestion(id="topic", name="Topic", labels=TOPICS),
        ChoiceQuestion(id="tags", name="Tags", labels=TOPICS, multiple=True, required=False),
        SpanQuestion(id="ner", name="Entities", labels=PEOPLE),
        ScalarQuestion(id="stars", name="Stars", type="integer", minimum=1, maximum=5),
        ScalarQuestion(id="odd", name="Odd", type="boolean"),
        TextQuestion(id="note", name="Note", required=False),
    ),
)
TEXT = "😀 Anna met Bob\r\nin São Paulo."
FULL_ANSWERS = Answers.of(
    {
        "topic": ChoiceAnswer(labels=("b",)),
        "tags": ChoiceAnswer(labels=("a", "b")),
        "ner": SpanAnswer(
            spans=(
                Span(id="s1", start=2, end=6, label="per"),
                Span(id="s2", start=11, end=14, label="per"),
                Span(id="s3", start=19, end=28, label="loc"),
            )
        ),
        "stars": ScalarAnswer(value=4),
        "odd": ScalarAnswer(value=False),
        "note": TextAnswer(text="größer\n“quoted”, comma"),
    }
)
ENTITIES = Ontology(version=1, questions=(SpanQuestion(id="ner", name="Entities", labels=PEOPLE),))


def asset(n: int, text: str, **more: Any) -> Asset:
    return Asset(id=n, project_id=1, sha256="0" * 64, size=len(text), text=text, **more)


def annotation(n: int, answers: Answers, who: int = 7) -> Annotation:
    return Annotation(
        id=f"ann-{n}-{who}", asset_id=n, author_id=who, author_name=f"person {who}", ontology_version=3,
        answers=answers, created_at=AT,
    )  # fmt: skip


def outgoing(
    n: int, text: str, answers: Answers | None, *, model: Answers | None = None, **more: Any
) -> Outgoing:
    """An asset that a person, and perhaps a model, answered."""
    prediction = None
    if model is not None:
        prediction = Prediction(
            id=n, run_id=None, asset_id=n, predictor_sha256="1" * 64, predictor_title="made model", ontology_version=3,
            answers=model, created_at=AT,
            confidence={key: Confidence(value=0.25, scorer="given") for key, _ in model.items()},
        )  # fmt: skip
    chosen = answers if answers is not None else model
    return Outgoing(
        asset=asset(n, text, external_id=f"row-{n}", metadata={"source": "web", "year": 2024}, **more),
        annotations=(annotation(n, answers),) if answers is not None else (),
        prediction=prediction,
        gold=None,
        chosen=chosen,
        chosen_by="person" if answers is not None else "model" if model is not None else None,
        updated_at=AT,
    )


def spans(*found: tuple[int, int, str]) -> Answers:
    marks = (Span(id=f"m{i}", start=s, end=e, label=x) for i, (s, e, x) in enumerate(found))
    return Answers.of({"ner": SpanAnswer(spans=tuple(marks))})


def write(form: str, rows: list[Outgoing], ontology: Ontology, folder: Path) -> Losses:
    """Export; returns what was lost."""
    folder.mkdir(exist_ok=True)
    losses = Losses()
    writer(form)(iter(rows), Exporting(ontology, folder, losses))
    return losses


def read(path: Path, form: str, mapping: Mapping | None = None) -> tuple[list[Incoming], list[Problem]]:
    """(good rows, problems) of a file."""
    good: list[Incoming] = []
    bad: list[Problem] = []
    for each in open_source(path, path.name, form, mapping or Mapping()):
        if isinstance(each, Problem):
            bad.append(each)
        else:
            good.append(each)
    return good, bad
