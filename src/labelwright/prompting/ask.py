"""From an ontology and a text to the request that is sent to a model.

Hides the layout of the prompt (constant parts first, so that servers can reuse them; the text last, fenced as data),
the wording of questions and of the output format, and how answers look when they are shown as examples.
"""

import json
from collections.abc import Sequence
from typing import Any

from labelwright.core.answer import Answer, Answers, ChoiceAnswer, ScalarAnswer, Span, SpanAnswer, TextAnswer
from labelwright.core.asset import Metadata
from labelwright.core.exchange import Message, Request
from labelwright.core.ontology import (
    ChoiceQuestion,
    Label,
    LabelledQuestion,
    Ontology,
    ScalarQuestion,
    TextQuestion,
)
from labelwright.core.predictor import Decoding
from labelwright.core.project import PromptTemplate
from labelwright.core.value import Value
from labelwright.prompting.align import TextIndex
from labelwright.prompting.contract import Contract, Field, contract_of, schema_of
from labelwright.prompting.naming import ABSTAIN
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
        messages.append(Message(role="user", content=_turn(template, example.text, {})))
        reply = _ideal(contract, example.answers, example.text)
        messages.append(Message(role="assistant", content=reply))
    messages.append(Message(role="user", content=_turn(template, text, fields, piece)))
    return (
        Request(
            model=model,
            messages=tuple(messages),
            output_schema=schema_of(contract) if contract.fields else None,
            max_tokens=decoding.max_tokens
            or int(min(_expected_tokens(contract, estimate_tokens(text)), MAX_OUTPUT_TOKENS)),
            temperature=decoding.temperature,
            top_logprobs=decoding.top_logprobs if decoding.confidence in _FROM_TOKENS else 0,
            seed=decoding.seed,
            structured=decoding.structured,
        ),
    )


def ideal_reply(ontology: Ontology, answers: Answers, text: str) -> str:
    """What a perfect model would write for these answers, as compact JSON on one line.

    Questions without an answer are null (`__none__` for a single choice); retired labels are left out.
    """
    return _ideal(contract_of(ontology), answers, text)


def _ideal(contract: Contract, answers: Answers, text: str) -> str:
    index = TextIndex(text)
    written = {field.key: _written(field, answers.get(field.question.id), index) for field in contract.fields}
    if contract.sure_key:
        written[contract.sure_key] = dict.fromkeys(written, _SURE_OF_EXAMPLES)
    return json.dumps(written, ensure_ascii=False)


def _written(field: Field, answer: Answer | None, index: TextIndex) -> Any:
    question = field.question
    match answer:
        case ChoiceAnswer(labels=chosen) if isinstance(question, ChoiceQuestion):
            labels = [label for label in question.active_labels if label.id in chosen]
            if field.form == "booleans":
                return {field.label_keys[label.id]: label in labels for label in question.active_labels}
            if field.form == "names":
                return [label.name for label in labels]
            return labels[0].name if labels else ABSTAIN
        case ScalarAnswer(value=value):
            return value
        case TextAnswer(text=written):
            return written
        case SpanAnswer(spans=spans) if isinstance(question, LabelledQuestion):
            return _entities(question, spans, index)
        case _:
            return ABSTAIN if field.form == "label" else None


def _entities(question: LabelledQuestion, spans: Sequence[Span], index: TextIndex) -> list[dict[str, str]]:
    """Entities in text order, each with as much context as tells it from others of the same wording."""
    entities: list[dict[str, str]] = []
    for span in sorted(spans, key=lambda s: (s.start, s.end)):
        label = question.label(span.label)
        if label is None or label.retired:
            continue
        before, after = _context(index, span.start, span.end)
        quote = index.text[span.start : span.end]
        entities.append({"quote": quote, "type": label.name, "before": before, "after": after})
    return entities


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


def _turn(template: PromptTemplate, text: str, fields: Metadata, piece: tuple[int, int] = (0, 1)) -> str:
    i, n = piece
    part = f"Part {i + 1} of {n} of a longer text; answer about this part alone.\n" if n > 1 else ""
    return fill(template.user, {"text": part + fenced(text), "fields": shown_fields(fields)})


def _questions(contract: Contract, ontology: Ontology) -> str:
    return "\n\n".join(
        ["# Questions", *(_question(n, field, ontology) for n, field in enumerate(contract.fields, start=1))]
    )


def _question(n: int, field: Field, ontology: Ontology) -> str:
    question = field.question
    lines = [f"## {n}. {question.name} (property `{field.key}`)"]
    if question.instruction.strip():
        lines.append(question.instruction.strip())
    if question.depends_on is not None:
        other = ontology.question(question.depends_on.question)
        names = question.depends_on.labels
        if isinstance(other, LabelledQuestion):
            found = [other.label(label_id) for label_id in names]
            names = tuple(label.name for label in found if label is not None)
        wanted = " or ".join(f'"{name}"' for name in names)
        otherwise = f'"{ABSTAIN}"' if field.form == "label" else "null"
        title = other.name if other is not None else question.depends_on.question
        lines.append(f'Answer this only if "{title}" is {wanted}; otherwise write {otherwise}.')
    lines += _demand(field)
    if isinstance(question, LabelledQuestion):
        lines.append("Types:" if field.form == "entities" else "Labels:")
        lines += [_label_line(field, label) for label in question.active_labels]
    return "\n".join(lines)


def _demand(field: Field) -> list[str]:
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
            demand = (
                "List every mention in the order of the text, one entry per occurrence; an empty list if there is none. "
                "`quote` is copied character by character from the text and as short as the definition allows. "
                "If the same words occur more than once, `before` and `after` hold up to three words that stand right "
                f"before and after this occurrence; otherwise they are empty.{overlap}"
            )
            return [demand]


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
    name = label.name if key is None or key == label.name else f"`{key}` {label.name}"
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
            return '[{"quote": "<words of the text>", "type": "<type>", "before": "", "after": ""}, ...]'


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
            longest = (
                max(estimate_tokens(label.name) for label in question.active_labels)
                if question.active_labels
                else 1
            )
            tokens += 4 * longest * (1 if field.form == "label" else 10)
        elif field.form == "booleans":
            tokens += sum(2 * estimate_tokens(key) + 6 for key in field.label_keys.values())
        elif isinstance(question, TextQuestion):
            tokens += min(1_024.0, question.max_length / 2)
        elif field.form == "entities":
            tokens += 256 + 4 * text_tokens
    return tokens
