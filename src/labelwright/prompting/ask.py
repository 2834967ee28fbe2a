"""From an ontology and a text to the request that is sent to a model.

Hides the layout of the prompt (constant parts first, so that servers can reuse them; the text last, fenced as data),
the wording of questions and of the output format, and how answers look when they are shown as examples.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from labelwright.core.answer import (
    Answer,
    Answers,
    ChoiceAnswer,
    RelationAnswer,
    ScalarAnswer,
    Span,
    SpanAnswer,
    TextAnswer,
)
from labelwright.core.asset import Metadata
from labelwright.core.exchange import Message, Request
from labelwright.core.ontology import (
    ChoiceQuestion,
    Label,
    LabelledQuestion,
    Ontology,
    RelationQuestion,
    ScalarQuestion,
    TextQuestion,
)
from labelwright.core.predictor import Decoding
from labelwright.core.project import PromptTemplate
from labelwright.core.value import Value
from labelwright.prompting.align import TextIndex
from labelwright.prompting.contract import Contract, Field, contract_of, schema_of
from labelwright.prompting.linking import KnowledgeLists, Offer, offers, shown_candidates
from labelwright.prompting.naming import ABSTAIN
from labelwright.prompting.relations import shown_ends
from labelwright.prompting.shortlist import SHORTLIST, is_long, shortlist
from labelwright.prompting.template import ROLE, fenced, fill, shown_fields
from labelwright.prompting.tokens import estimate_tokens

MAX_OUTPUT_TOKENS = 8_192
"""Upper bound of what is asked for when the decoding parameters name none."""

_CONTEXT_WORDS = 3
_FROM_TOKENS = frozenset({"auto", "logprobs", "seed_top5"})
# People approved the examples; a plain 100 would teach the model never to doubt.
_SURE_OF_EXAMPLES = 90


class Example(Value):
    """A text and its right answers, shown to the model as a turn of the conversation."""

    text: str
    answers: Answers


def ask(
    ontology: Ontology,
    text: str,
    *,
    template: PromptTemplate,
    examples: Sequence[Example],
    model: str,
    decoding: Decoding,
    fields: Metadata = {},  # noqa: B006 - never changed
    piece: tuple[int, int] = (0, 1),
    lists: KnowledgeLists = {},  # noqa: B006 - never changed
) -> tuple[Request, ...]:
    """The requests that label one text: one for all active questions.

    Args:
        ontology: What is asked; retired questions and labels are left out.
        text: The asset's content, sent verbatim between fences.
        template: Wording; see `check_template` for what is wrong with one.
        examples: Shown before the text, in this order, in exactly the output format.
        model: Name of the model at its endpoint.
        decoding: Parameters of generation.
        fields: Metadata of the asset, for templates with `{fields}`.
        piece: Which piece of a longer text this is, from 0, and how many there are.
        lists: Indexed lists of entities, for questions whose spans are linked.
    """
    contract = contract_of(ontology, decoding.confidence == "verbal")
    system = fill(
        template.system,
        {
            "role": ROLE,
            "guideline": f"# Guideline\n{ontology.guideline.strip()}" if ontology.guideline.strip() else "",
            "questions": _questions(contract, ontology),
            "format": _format(contract),
        },
    )
    messages = [Message(role="system", content=system.strip())]
    for example in examples:
        theirs = offers(ontology, example.text, lists)
        messages.append(
            Message(role="user", content=_turn(template, example.text, {}) + _extra(contract, theirs))
        )
        reply = _ideal(contract, example.answers, example.text, theirs)
        messages.append(Message(role="assistant", content=reply))
    offered = offers(ontology, text, lists)
    extra = _extra(contract, offered) + _shortlists(contract, text)
    messages.append(Message(role="user", content=_turn(template, text, fields, piece) + extra))
    return (
        Request(
            model=model,
            messages=tuple(messages),
            output_schema=schema_of(contract, offered) if contract.fields else None,
            max_tokens=decoding.max_tokens
            or int(min(_expected_tokens(contract, estimate_tokens(text)), MAX_OUTPUT_TOKENS)),
            temperature=decoding.temperature,
            top_logprobs=decoding.top_logprobs if decoding.confidence in _FROM_TOKENS else 0,
            seed=decoding.seed,
            structured=decoding.structured,
        ),
    )


def ideal_reply(
    ontology: Ontology,
    answers: Answers,
    text: str,
    lists: KnowledgeLists = {},  # noqa: B006 - never changed
) -> str:
    """What a perfect model would write for these answers, as compact JSON on one line.

    Questions without an answer are null (`__none__` for a single choice); retired labels are left out, and with them
    the relations of spans that carry them.
    """
    return _ideal(contract_of(ontology), answers, text, offers(ontology, text, lists))


def _ideal(contract: Contract, answers: Answers, text: str, offered: Mapping[str, Offer]) -> str:
    writer = _Writer(TextIndex(text), offered)
    written = {field.key: writer.value(field, answers.get(field.question.id)) for field in contract.fields}
    if contract.sure_key:
        written[contract.sure_key] = dict.fromkeys(written, _SURE_OF_EXAMPLES)
    return json.dumps(written, ensure_ascii=False)


class _Writer:
    """Writes the answers about one text; mentions are numbered as they come."""

    def __init__(self, index: TextIndex, offered: Mapping[str, Offer]) -> None:
        self._index = index
        self._offered = offered
        self._ids: dict[str, str] = {}

    def value(self, field: Field, answer: Answer | None) -> Any:
        question = field.question
        match answer:
            case SpanAnswer(spans=spans) if isinstance(question, LabelledQuestion):
                return self._entities(field, spans)
            case RelationAnswer(relations=relations) if isinstance(question, RelationQuestion):
                return [
                    {"head": self._ids[r.from_id], "type": field.shown[r.label], "tail": self._ids[r.to_id]}
                    for r in relations
                    if r.label in field.shown and r.from_id in self._ids and r.to_id in self._ids
                ]
            case _:
                return _written(field, answer)

    def _entities(self, field: Field, spans: Sequence[Span]) -> list[dict[str, Any]]:
        """Entities in text order, each with as much context as tells it from others of the same wording."""
        entities: list[dict[str, Any]] = []
        offer = self._offered.get(field.question.id)
        for span in sorted(spans, key=lambda s: (s.start, s.end)):
            if span.label not in field.shown:
                continue
            before, after = _context(self._index, span.start, span.end)
            entity: dict[str, Any] = {}
            if field.with_ids:
                entity["id"] = self._ids[span.id] = f"E{len(self._ids) + 1}"
            quote = self._index.text[span.start : span.end]
            entity |= {"quote": quote, "type": field.shown[span.label], "before": before, "after": after}
            if field.with_links and offer is not None:
                entity["link"] = offer.number_of(span.link)
            entities.append(entity)
        return entities


def _written(field: Field, answer: Answer | None) -> Any:
    question = field.question
    match answer:
        case ChoiceAnswer(labels=chosen) if isinstance(question, ChoiceQuestion):
            labels = [label for label in question.choosable if label.id in chosen]
            if field.form == "booleans":
                return {field.label_keys[label.id]: label in labels for label in question.choosable}
            if field.form == "names":
                return [field.shown[label.id] for label in labels]
            return field.shown[labels[0].id] if labels else ABSTAIN
        case ScalarAnswer(value=value):
            return value
        case TextAnswer(text=written):
            return written
        case _:
            return ABSTAIN if field.form == "label" else None


def _context(index: TextIndex, start: int, end: int) -> tuple[str, str]:
    """The words around a stretch, empty when the quote alone finds it."""
    text = index.text
    quote = text[start:end]
    alone = text.find(quote) == start and text.find(quote, start + 1) < 0
    if alone and index.on_boundary(start, end):
        return "", ""
    words = _CONTEXT_WORDS
    while True:
        before, after = _last_words(text[:start], words), _first_words(text[end:], words)
        whole = len(before) == start and len(after) == len(text) - end
        around = before + quote + after
        if whole or text.find(around, text.find(around) + 1) < 0:
            return before, after
        words *= 2


def _last_words(text: str, n: int) -> str:
    at = len(text)
    for _ in range(n):
        while at > 0 and text[at - 1].isspace():
            at -= 1
        while at > 0 and not text[at - 1].isspace():
            at -= 1
    return text[at:]


def _first_words(text: str, n: int) -> str:
    at, size = 0, len(text)
    for _ in range(n):
        while at < size and text[at].isspace():
            at += 1
        while at < size and not text[at].isspace():
            at += 1
    return text[:at]


def _extra(contract: Contract, offered: Mapping[str, Offer]) -> str:
    """The candidates that mentions of one text are linked to."""
    shown = shown_candidates(offered, {field.question.id: field.key for field in contract.fields})
    return f"\n\n{shown}" if shown else ""


def _shortlists(contract: Contract, text: str) -> str:
    """Of questions with very many labels those that are most like the text."""
    blocks = []
    for field in contract.fields:
        if isinstance(field.question, LabelledQuestion) and is_long(field.question):
            lines = [_label_line(field, label) for label in shortlist(field.question, text)]
            blocks.append("\n".join([f"Labels for `{field.key}` that are most like this text:", *lines]))
    return "".join(f"\n\n{block}" for block in blocks)


def _turn(template: PromptTemplate, text: str, fields: Metadata, piece: tuple[int, int] = (0, 1)) -> str:
    i, n = piece
    part = f"Part {i + 1} of {n} of a longer text; answer about this part alone.\n" if n > 1 else ""
    beside = shown_fields(fields)
    return fill(template.user, {"text": part + fenced(text, beside), "fields": beside})


def _questions(contract: Contract, ontology: Ontology) -> str:
    keys = {field.question.id: field.key for field in contract.fields}
    told = [_question(n, field, ontology, keys) for n, field in enumerate(contract.fields, start=1)]
    return "\n\n".join(["# Questions", *told])


def _question(n: int, field: Field, ontology: Ontology, keys: Mapping[str, str]) -> str:
    question = field.question
    lines = [f"## {n}. {question.name} (property `{field.key}`)"]
    if question.instruction.strip():
        lines.append(question.instruction.strip())
    if question.depends_on is not None:
        other = ontology.question(question.depends_on.question)
        names = question.depends_on.labels
        if isinstance(other, LabelledQuestion):
            names = _outermost(other, names)
        wanted = " or ".join(f'"{name}"' for name in names)
        otherwise = f'"{ABSTAIN}"' if field.form == "label" else "null"
        title = other.name if other is not None else question.depends_on.question
        lines.append(f'Answer this only if "{title}" is {wanted}; otherwise write {otherwise}.')
    lines += _demand(field, ontology, keys)
    if isinstance(question, LabelledQuestion):
        lines += _labels(field, question)
    return "\n".join(lines)


def _labels(field: Field, question: LabelledQuestion) -> list[str]:
    if is_long(question):
        n = len(field.shown)
        told = (
            f"There are {n} labels. The {SHORTLIST} that are most like a text are listed after it; "
            "another label may be named too if you know it."
        )
        return [told]
    lines = ["Types:" if field.form in ("entities", "relations") else "Labels:"]
    if isinstance(question, ChoiceQuestion) and question.is_nested:
        lines[0] = "Labels, each with those it stands under; write the whole path:"
    lines += [_label_line(field, label) for label in question.active_labels if label.id in field.shown]
    # Labels that only group others are no answers, but what they mean is worth saying.
    groups = [x for x in question.active_labels if x.id not in field.shown and x.definition.strip()]
    if groups:
        paths = question.shown_names
        lines += ["Groups (no answers themselves):"]
        lines += [f"- {paths[label.id]}: {' '.join(label.definition.split())}" for label in groups]
    return lines


def _outermost(question: LabelledQuestion, label_ids: Sequence[str]) -> tuple[str, ...]:
    """Names of the labels of a condition; of nested ones only those that no other one of them stands above."""
    paths = question.shown_names
    found = [label for label in question.labels if label.id in label_ids]
    outer = [label for label in found if label.parent not in label_ids]
    below = len(outer) < len(found)
    return tuple(f"{paths[label.id]}{' (or anything under it)' if below else ''}" for label in outer)


def _demand(field: Field, ontology: Ontology, keys: Mapping[str, str]) -> list[str]:
    question = field.question
    null = " Write null if the text does not tell." if field.nullable else ""
    match field.form:
        case "label":
            return [f'Choose exactly one label by its name. If none fits, write "{ABSTAIN}".']
        case "booleans":
            return ["For every label say true if it applies and false if not; several or none may apply."]
        case "names":
            return ["List the names of all labels that apply; an empty list if none does."]
        case "boolean":
            return [f"Answer true or false.{null}"]
        case "number":
            assert isinstance(question, ScalarQuestion)
            return [f"Give {_number_wanted(question)}.{null}"]
        case "text":
            assert isinstance(question, TextQuestion)
            limit = f" At most {question.max_length} characters." if question.max_length < 5_000 else ""
            return [f"Write a text.{limit}{null}"]
        case "entities":
            overlap = (
                " Mentions may overlap."
                if getattr(question, "overlap", False)
                else " Mentions never overlap."
            )
            ids = "`id` numbers the mentions: E1, E2 and so on. " if field.with_ids else ""
            links = (
                " `link` is the number of the known entity that the mention means, as listed after the text, or 0 for none."
                if field.with_links
                else ""
            )
            demand = (
                "List every mention in the order of the text, one entry per occurrence; an empty list if there is none. "
                f"{ids}`quote` is copied character by character from the text and as short as the definition allows. "
                "If the same words occur more than once, `before` and `after` hold up to three words that stand right "
                f"before and after this occurrence; otherwise they are empty.{overlap}{links}"
            )
            return [demand]
        case "relations":
            assert isinstance(question, RelationQuestion)
            demand = f"List every relation that the text states between mentions; an empty list if there is none.{null} "
            return [demand + " ".join(shown_ends(question, _titles(ontology, keys)))]


def _titles(ontology: Ontology, keys: Mapping[str, str]) -> dict[str, tuple[str, dict[str, str]]]:
    """Question id -> (its property, its labels' names)."""
    return {
        q.id: (keys[q.id], q.shown_names)
        for q in ontology.active_questions
        if isinstance(q, LabelledQuestion) and q.id in keys
    }


def _number_wanted(question: ScalarQuestion) -> str:
    kind = "a whole number" if question.type == "integer" else "a number"
    low, high = (None if n is None else f"{n:g}" for n in (question.minimum, question.maximum))
    bounds = ""
    if low is not None and high is not None:
        bounds = f" from {low} to {high}"
    elif low is not None:
        bounds = f" of at least {low}"
    elif high is not None:
        bounds = f" of at most {high}"
    return f"{kind}{bounds}{f' ({question.unit})' if question.unit else ''}"


def _label_line(field: Field, label: Label) -> str:
    key = field.label_keys.get(label.id)
    shown = field.shown[label.id]
    name = shown if key is None or key == shown else f"`{key}` {shown}"
    meaning = f": {' '.join(label.definition.split())}" if label.definition.strip() else ""
    also = f" (also called {', '.join(label.synonyms)})" if label.synonyms else ""
    return f"- {name}{also}{meaning}"


def _format(contract: Contract) -> str:
    skeleton = ", ".join(f'"{field.key}": {_placeholder(field)}' for field in contract.fields)
    sure = ""
    if contract.sure_key:
        each = ", ".join(f'"{field.key}": <0 to 100>' for field in contract.fields)
        skeleton += f', "{contract.sure_key}": {{{each}}}'
        sure = f"\n`{contract.sure_key}` says for each property how likely your answer is right, in percent."
    return (
        "# Output format\n"
        "The text to label stands between <text> and </text> (with a number in the mark if the text contains one). "
        "Answer with one JSON object on one line and nothing else, with exactly these properties:\n"
        f"{{{skeleton}}}{sure}"
    )


def _placeholder(field: Field) -> str:
    match field.form:
        case "label":
            return '"<label>"'
        case "booleans":
            return "{" + ", ".join(f'"{key}": <true or false>' for key in field.label_keys.values()) + "}"
        case "names":
            return '["<label>", ...]'
        case "boolean":
            return "<true or false>"
        case "number":
            return "<number>"
        case "text":
            return '"<text>"'
        case "entities":
            ids = '"id": "E1", ' if field.with_ids else ""
            link = ', "link": <number>' if field.with_links else ""
            return f'[{{{ids}"quote": "<words of the text>", "type": "<type>", "before": "", "after": ""{link}}}, ...]'
        case "relations":
            return '[{"head": "<id>", "type": "<type>", "tail": "<id>"}, ...]'


def output_tokens(ontology: Ontology, text_tokens: float) -> float:
    """How many tokens a good answer about so long a text stays well below; may be above `MAX_OUTPUT_TOKENS`."""
    return _expected_tokens(contract_of(ontology), text_tokens)


def _expected_tokens(contract: Contract, text_tokens: float) -> float:
    """A bound that a good answer stays well below and a runaway one hits soon."""
    tokens = 32.0 + (16 + 8 * len(contract.fields) if contract.sure_key else 0)
    for field in contract.fields:
        question = field.question
        tokens += 16 + 2 * estimate_tokens(field.key)
        if isinstance(question, LabelledQuestion) and field.form in ("label", "names"):
            longest = max(map(estimate_tokens, field.shown.values()), default=1)
            tokens += 4 * longest * (1 if field.form == "label" else 10)
        elif field.form == "booleans":
            tokens += sum(2 * estimate_tokens(key) + 6 for key in field.label_keys.values())
        elif isinstance(question, TextQuestion):
            tokens += min(1_024.0, question.max_length / 2)
        elif field.form == "entities":
            tokens += 256 + 4 * text_tokens
        elif field.form == "relations":
            tokens += 128 + text_tokens
    return tokens
