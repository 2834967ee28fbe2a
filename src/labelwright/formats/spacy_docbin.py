"""spaCy DocBin: flat spans to `doc.ents`, overlapping ones to `doc.spans["sc"]`, choices to `doc.cats`. Needs spaCy."""

from collections.abc import Iterable

from labelwright.core.answer import ChoiceAnswer, SpanAnswer
from labelwright.core.errors import LabelwrightError
from labelwright.core.ontology import ChoiceQuestion, SpanQuestion
from labelwright.core.transfer import Outgoing
from labelwright.formats.output import Exporting, Written


def name(question: ChoiceQuestion, label: str, several: bool) -> str:
    """The category of a label; with several choice questions their ids keep equal names apart."""
    return f"{question.id}/{label}" if several else label


def write(rows: Iterable[Outgoing], to: Exporting) -> Written:
    """`assets.spacy`, tokenised by spaCy's blank multi-language pipeline.

    Raises:
        LabelwrightError: spaCy is not installed.
    """
    ontology, folder, losses = to.ontology, to.folder, to.losses
    try:
        import spacy
        from spacy.tokens import DocBin
        from spacy.util import filter_spans
    except ImportError:
        raise LabelwrightError(
            "no_spacy", "spaCy is not installed", "pip install 'labelwright[spacy]'"
        ) from None
    pipeline = spacy.blank("xx")
    pipeline.max_length = 100_000_000
    bin_ = DocBin(attrs=["ORTH", "SPACY", "ENT_IOB", "ENT_TYPE", "ENT_KB_ID"], store_user_data=True)
    kinds = [(q.kind, isinstance(q, SpanQuestion) and q.overlap) for q in ontology.active_questions]
    several_choices, one_group = kinds.count(("choice", False)) > 1, kinds.count(("span", True)) == 1
    if several_choices:
        losses.note("categories", "several choice questions: categories are named question/label")
    n = 0
    for row in rows:
        if row.chosen is None:
            losses.left_out(row.asset, "no_answer")
            continue
        losses.of_chosen(row, ontology)
        doc = pipeline.make_doc(row.asset.text or "")
        doc.user_data["asset"] = row.asset.id
        doc.user_data["external_id"] = row.asset.external_id
        flat = []
        for question in ontology.active_questions:
            answer = row.chosen.get(question.id)
            if isinstance(question, ChoiceQuestion):
                chosen = set(answer.labels) if isinstance(answer, ChoiceAnswer) else None
                if chosen is not None:
                    paths = question.shown_names
                    # Every label is listed with 0 or 1: spaCy takes a missing one for unknown.
                    doc.cats |= {
                        name(question, paths[label.id], several_choices): float(label.id in chosen)
                        for label in question.labels
                        if not label.retired or label.id in chosen
                    }
            elif isinstance(question, SpanQuestion) and isinstance(answer, SpanAnswer):
                names = {label.id: label.name for label in question.labels}
                found = []
                for span in answer.spans:
                    what = f"{names[span.label]} {span.start}-{span.end}"
                    kb_id = span.link or ""
                    made = doc.char_span(span.start, span.end, label=names[span.label], kb_id=kb_id)
                    if made is None:
                        made = doc.char_span(
                            span.start,
                            span.end,
                            label=names[span.label],
                            kb_id=kb_id,
                            alignment_mode="expand",
                        )
                        # White space between two tokens is in neither: a span of only that comes back empty.
                        if made is None or len(made) == 0:
                            made = None
                            losses.add(row.asset, "no_token", f"{what} holds no token")
                        else:
                            losses.add(
                                row.asset,
                                "expanded",
                                f"{what} does not end where tokens do and became {made.start_char}-{made.end_char}",
                            )
                    if made is not None:
                        found.append(made)
                if question.overlap:
                    doc.spans["sc" if one_group else question.id] = found
                else:
                    flat += found
            elif answer is not None:
                losses.add(
                    row.asset, "not_held", f"the {question.kind} answer to {question.id!r} is not held"
                )
        kept = filter_spans(flat)
        if len(kept) < len(flat):
            losses.add(row.asset, "overlap", f"{len(flat) - len(kept)} spans overlap others after widening")
        doc.ents = kept
        bin_.add(doc)
        n += 1
    bin_.to_disk(folder / "assets.spacy")
    return Written(n)
