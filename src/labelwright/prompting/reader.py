"""One reply, value by value.

Hides every way in which models write a label, a number or a mention when they were asked for another one.
"""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from labelwright.core.answer import (
    Answer,
    ChoiceAnswer,
    RelationAnswer,
    ScalarAnswer,
    Span,
    SpanAnswer,
    TextAnswer,
)
from labelwright.core.exchange import Reply
from labelwright.core.ontology import (
    PATH_SEPARATOR,
    ChoiceQuestion,
    RelationQuestion,
    ScalarQuestion,
    SpanQuestion,
    TextQuestion,
)
from labelwright.core.predictor import Confidence, Scoring
from labelwright.core.problem import Problem, excerpt
from labelwright.prompting.align import Mention, TextIndex, align
from labelwright.prompting.confidence import Evidence, seed_top5
from labelwright.prompting.contract import Contract, Field
from labelwright.prompting.entities import Claimed, claims_of, label_problem, lines_of, says_nothing
from labelwright.prompting.linking import Offer
from labelwright.prompting.locate import located
from labelwright.prompting.marked import align_marked, looks_marked
from labelwright.prompting.parse import Node, Parsed, parse
from labelwright.prompting.plain import is_refusal, plain_value, same_words
from labelwright.prompting.relations import Mentions, relations_of
from labelwright.prompting.values import boolean_of, is_null, number_of, percent_of

_SPAN_IDS = uuid.UUID("6ba3f1a2-6e0e-5f5c-9b6b-0d6a52a2f3c1")
_REFUSED_FINISHES = frozenset({"refused", "refusal", "content_filter", "safety", "blocked"})
_CUT_FINISHES = frozenset({"length", "max_tokens"})
_WRAPPERS = frozenset(
    {"answer", "label", "value", "result", "category", "class", "output", "response", "prediction", "choice", "name",
     "labels", "answers", "text", "score", "rating", "classification"}
)  # fmt: skip
_DENIAL = re.compile(
    r"\b(?:not|no|neither|nor|never|cannot|rather than|instead of|partly|partially|either|both|maybe|perhaps|possibly"
    r"|might|could|depends)\b|n[’']t\b",
    re.IGNORECASE,
)
_MAX_PROSE = 400


@dataclass
class Reader:
    """Reads one reply: call `read`, then look at `answers`, `confidence` and `problems`."""

    contract: Contract
    index: TextIndex
    reply: Reply
    offered: Mapping[str, Offer]
    scorer: Scoring = "auto"
    mentions: Mentions = field(default_factory=Mentions)
    answers: dict[str, Answer] = field(default_factory=dict)
    confidence: dict[str, Confidence] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def read(self) -> None:
        """Fill `answers`, `confidence` and `problems`; never raises."""
        reply = self.reply
        if reply.finish in _REFUSED_FINISHES:
            self._problem("reply", "refused", f"the model refused: {excerpt(reply.text, 200)!r}")
            return
        self.cut = reply.finish in _CUT_FINISHES
        if self.cut:
            self._problem(
                "reply", "cut_reply", "the reply reached its length limit; only whole mentions are kept"
            )
        parsed = parse(reply.text)
        self.problems += parsed.problems
        self.evidence = Evidence(reply.tokens if self.scorer in ("auto", "logprobs") else None, parsed.text)
        said_sure = _taken_out(parsed, self.contract.sure_key)
        found = located(self.contract, parsed)
        for each in self.contract.fields:
            node = found.values.get(each.key)
            if node is not None:
                self._field(each, node)
        if not found.values:
            self._plain(parsed)
        elif any(not root.complete for root in parsed.roots) and not self.cut:
            self._problem("reply", "cut_reply", "the reply ends in the middle; only whole values are kept")
        self._score(said_sure)
        # Notes come last: the first problem of a reading says what was wrong with it.
        self.problems += found.problems

    def _score(self, said_sure: Node | None) -> None:
        """Confidence that is not read off the tokens of each answer."""
        if self.scorer == "logprobs" and not self.reply.tokens:
            self._problem(
                "reply", "no_logprobs", "the endpoint gave no log-probabilities, so there is no confidence"
            )
        elif self.scorer == "seed_top5":
            sure = seed_top5(self.reply.tokens)
            if sure is not None:
                self.confidence = dict.fromkeys(self.answers, sure)
        elif self.scorer == "verbal":
            self._verbal(said_sure)

    def _verbal(self, said_sure: Node | None) -> None:
        """What the model says about itself: one number per question, or one for the only question."""
        fields = {each.key: each for each in self.contract.fields if each.question.id in self.answers}
        if said_sure is not None and said_sure.kind == "object":
            said = {key.text: value.text for key, value in said_sure.members}
        else:
            said = dict.fromkeys(fields, said_sure.text) if said_sure is not None and len(fields) == 1 else {}
        for key, each in fields.items():
            percent = percent_of(said.get(key, ""))
            if percent is None:
                self._refuse(
                    each, "bad_confidence", f"{excerpt(said.get(key, ''))!r} is no number from 0 to 100"
                )
            else:
                self.confidence[each.question.id] = Confidence(value=percent / 100, scorer="verbal")

    def _problem(self, where: str, code: str, message: str) -> None:
        self.problems.append(Problem(where=where, code=code, message=message))

    def _refuse(self, each: Field, code: str, message: str) -> None:
        self._problem(each.question.id, code, message)

    # -- one value -------------------------------------------------------------------------------------------------

    def _field(self, each: Field, node: Node) -> None:
        question = each.question
        if each.form != "entities":
            if self.cut:
                self._refuse(each, "cut_reply", "the reply was cut, so its answer is not taken")
                return
            if not node.complete:
                shown = excerpt(node.text or node.kind)
                self._refuse(each, "cut_reply", f"the reply ends within {shown!r}")
                return
        if node.kind == "word" and is_null(node.text) and each.form != "label":
            self._refuse(each, "abstained", "the model gave no answer")
            return
        match question, each.form:
            case ChoiceQuestion(), "label":
                self._single(each, node)
            case ChoiceQuestion(), _:
                self._several(each, question, node)
            case ScalarQuestion(), _:
                self._scalar(each, question, node)
            case TextQuestion(), _:
                self._text(each, question, node)
            case SpanQuestion(), _:
                self._spans(each, question, node)
            case RelationQuestion(), _:
                self._relations(each, question, node)

    def _single(self, each: Field, node: Node) -> None:
        assert each.names is not None
        said = [leaf for leaf in _leaves(node) if leaf.kind in ("string", "word")]
        chosen: dict[str, Node] = {}
        for leaf in said:
            found = label_problem(each.names, leaf.text)
            if isinstance(found, Problem):
                if len(said) == 1 and found.code == "unknown_label" and self._prose(each, leaf.text):
                    return
                self.problems.append(found.under(each.question.id))
                continue
            label, note = found
            if label.id not in each.shown:
                self._not_a_leaf(each, label.name)
                continue
            if note is not None:
                self.problems.append(note.under(each.question.id))
            chosen.setdefault(label.id, leaf)
        if len(chosen) > 1:
            message = f"{len(chosen)} labels where one is wanted: {', '.join(chosen)}"
            self._refuse(each, "too_many_labels", excerpt(message, 200))
        elif chosen:
            label_id, leaf = next(iter(chosen.items()))
            self.answers[each.question.id] = ChoiceAnswer(labels=(label_id,))
            self._sure(each, self.evidence.label(leaf, each.shown, label_id))
        elif not said:
            self._refuse(each, "abstained", "the model gave no label")

    def _not_a_leaf(self, each: Field, name: str) -> None:
        message = f"{excerpt(name)!r} has labels under it, and only those can be answers"
        self._refuse(each, "not_a_leaf", message)

    def _prose(self, each: Field, said: str) -> bool:
        """Take the one label that a short sentence names, if it denies nothing."""
        assert each.names is not None
        # A path that does not exist is no sentence about the label it begins with.
        is_path = (
            PATH_SEPARATOR in said and isinstance(each.question, ChoiceQuestion) and each.question.is_nested
        )
        if len(said) > _MAX_PROSE or is_path:
            return False
        named = [label for label in each.names.mentioned(said) if label.id in each.shown]
        if len(named) != 1 or _DENIAL.search(said):
            return False
        self.answers[each.question.id] = ChoiceAnswer(labels=(named[0].id,))
        self._refuse(each, "label_in_prose", f"{named[0].name!r} was taken from {excerpt(said)!r}")
        return True

    def _several(self, each: Field, question: ChoiceQuestion, node: Node) -> None:
        assert each.names is not None
        if (
            node.kind == "object"
            and len(node.members) == 1
            and node.members[0][0].text.casefold() in _WRAPPERS
        ):
            inner = node.members[0][1]
            if inner.kind in ("array", "object"):
                node = inner
        if node.kind == "object":
            self._booleans(each, question, node)
            return
        leaves = [leaf for leaf in _leaves(node) if leaf.kind in ("string", "word")]
        if len(leaves) == 1 and label_problem(each.names, leaves[0].text).__class__ is Problem:
            pieces = [piece for piece in re.split(r"[,;|\n]", leaves[0].text) if piece.strip()]
            leaves = [Node("word", leaves[0].start, leaves[0].end, piece, True) for piece in pieces]
        chosen: dict[str, Node] = {}
        refused = False
        for leaf in leaves:
            found = label_problem(each.names, leaf.text)
            if isinstance(found, Problem):
                if found.code != "abstained":
                    refused = True
                    self.problems.append(found.under(f"{question.id}/labels"))
                continue
            label, note = found
            if label.id not in each.shown:
                refused = True
                self._not_a_leaf(each, label.name)
                continue
            if note is not None:
                self.problems.append(note.under(f"{question.id}/labels"))
            chosen.setdefault(label.id, leaf)
        if chosen or not refused:
            self.answers[question.id] = ChoiceAnswer(labels=_in_order(question, chosen))
            self._sure(each, self.evidence.names(node, list(chosen.values()), each.shown, list(chosen)))

    def _booleans(self, each: Field, question: ChoiceQuestion, node: Node) -> None:
        assert each.names is not None
        by_key = {key: label_id for label_id, key in each.label_keys.items()}
        said: dict[str, tuple[bool, Node]] = {}
        refused = 0
        for key, value in node.members:
            label_id = by_key.get(key.text)
            if label_id is None:
                found = label_problem(each.names, key.text)
                if isinstance(found, Problem):
                    refused += 1
                    self.problems.append(found.under(f"{question.id}/labels"))
                    continue
                label_id = found[0].id
                if label_id not in each.shown:
                    refused += 1
                    self._not_a_leaf(each, found[0].name)
                    continue
            truth = boolean_of(value.text) if value.kind in ("string", "word") else None
            if truth is None:
                refused += 1
                message = f"{excerpt(value.text or value.kind)!r} is neither true nor false"
                self._problem(f"{question.id}/labels/{label_id}", "not_a_boolean", message)
                continue
            said[label_id] = (truth, value)
        missing = [label.id for label in question.choosable if label.id not in said]
        if not said:
            if not refused:
                self._refuse(each, "missing_answer", "no label is judged")
            return
        for label_id in missing:
            self._problem(
                f"{question.id}/labels/{label_id}", "missing_label", "not judged, so taken as not chosen"
            )
        chosen = {label_id: value for label_id, (truth, value) in said.items() if truth}
        self.answers[question.id] = ChoiceAnswer(labels=_in_order(question, chosen))
        judged = {label_id: (value, truth) for label_id, (truth, value) in said.items()}
        self._sure(each, self.evidence.booleans(judged))

    def _scalar(self, each: Field, question: ScalarQuestion, node: Node) -> None:
        leaves = _leaves(node)
        if len(leaves) != 1:
            self._refuse(each, "wrong_kind", f"one value wanted, got {len(leaves)}")
            return
        leaf = leaves[0]
        if question.type == "boolean":
            truth = boolean_of(leaf.text)
            if truth is None:
                self._refuse(each, "not_a_boolean", f"{excerpt(leaf.text)!r} is neither true nor false")
                return
            self.answers[question.id] = ScalarAnswer(value=truth)
            self._sure(each, self.evidence.boolean(leaf, truth))
            return
        if leaf.kind == "word" and leaf.text.casefold() in ("true", "false"):
            self._refuse(each, "wrong_kind", "a number wanted, got yes or no")
            return
        number = number_of(leaf.text, question)
        if isinstance(number, Problem):
            self.problems.append(number.under(question.id))
            return
        self.answers[question.id] = ScalarAnswer(value=number)
        self._sure(each, self.evidence.number(leaf, number, each.numbers))

    def _text(self, each: Field, question: TextQuestion, node: Node) -> None:
        leaves = [node] if node.kind in ("string", "word") else _leaves(node)
        if len(leaves) != 1:
            self._refuse(each, "wrong_kind", f"one text wanted, got {len(leaves)} values")
        elif len(leaves[0].text) > question.max_length:
            message = f"{len(leaves[0].text)} characters, at most {question.max_length} allowed"
            self._refuse(each, "too_long", message)
        else:
            # A text has no confidence: many wordings are right, so the chance of one of them says nothing.
            self.answers[question.id] = TextAnswer(text=leaves[0].text)

    # -- spans -----------------------------------------------------------------------------------------------------

    def _spans(self, each: Field, question: SpanQuestion, node: Node) -> None:
        assert each.names is not None
        only = question.active_labels[0] if len(question.active_labels) == 1 else None
        if node.kind == "object":
            inner = next(
                (v for k, v in node.members if k.text.casefold() in ("entities", "spans", "mentions")), None
            )
            node = inner or node
        if node.kind in ("string", "word") and (says_nothing(node.text) or not node.text.strip()):
            node = Node("array", node.start, node.end, complete=True)
        claims, problems = claims_of(node, each.names, only)
        self.problems += [p.under(f"{question.id}/spans") for p in problems]
        half = not node.complete or any(p.code == "cut_reply" for p in problems)
        if half and not claims:
            # An empty answer would say that there is nothing to find.
            self._refuse(each, "cut_reply", "the reply ends before the first whole mention")
            return
        if half:
            self._refuse(each, "cut_reply", f"the list is cut; its first {len(claims)} mentions are kept")
        self._ground(each, question, claims, node)

    def _ground(self, each: Field, question: SpanQuestion, claims: list[Claimed], node: Node | None) -> None:
        """Look the claimed mentions up in the text."""
        mentions = [Mention(c.quote, c.label.id, c.before, c.after) for c in claims]
        spans: list[tuple[Span, Claimed]] = []
        for claim, place in zip(claims, align(self.index, mentions, overlap=question.overlap), strict=True):
            if isinstance(place, str):
                message = {
                    "not_found": f"{excerpt(claim.quote)!r} does not stand in the text",
                    "repeated_mention": f"{excerpt(claim.quote)!r} is listed more often than it occurs",
                    "spans_overlap": f"{excerpt(claim.quote)!r} overlaps another mention",
                }[place]
                self._problem(f"{question.id}/spans/{claim.position}", place, message)
                self.mentions.refused.add(claim.said_id.casefold())
                continue
            link, linked = self._link(each, claim)
            score = self.evidence.span(claim.quote_node, claim.type_node, each.shown, claim.label.id)
            if score is not None and linked is not None:
                score = min(score, linked)
            span = Span(
                id=span_id(question.id, place.start, place.end, claim.label.id),
                label=claim.label.id,
                start=place.start,
                end=place.end,
                link=link,
                alignment=place.tier,
                score=score,
            )
            spans.append((span, claim))
            self.mentions.add(question.id, claim.said_id, claim.quote, span)
        spans.sort(key=lambda pair: (pair[0].start, pair[0].end, pair[0].label))
        self.answers[question.id] = SpanAnswer(spans=tuple(span for span, _ in spans))
        self._sure(each, self.evidence.spans([span.score for span, _ in spans], node))

    def _link(self, each: Field, claim: Claimed) -> tuple[str | None, float | None]:
        """The entity a mention is said to mean, and how sure that is."""
        offer, node = self.offered.get(each.question.id), claim.link_node
        if offer is None or node is None or node.kind not in ("string", "word"):
            return None, None
        found = offer.link_of(node.text)
        if isinstance(found, Problem):
            self.problems.append(found.under(f"{each.question.id}/spans/{claim.position}/link"))
            return None, None
        numbers = range(len(offer.candidates) + 1)
        said = int(node.text) if node.text.isascii() and node.text.isdigit() else -1
        sure = self.evidence.number(node, said, numbers) if said in numbers else None
        return found, sure.value if sure is not None else None

    # -- relations -------------------------------------------------------------------------------------------------

    def _relations(self, each: Field, question: RelationQuestion, node: Node) -> None:
        assert each.names is not None
        if node.kind in ("string", "word") and (says_nothing(node.text) or not node.text.strip()):
            node = Node("array", node.start, node.end, complete=True)
        found, problems = relations_of(question, each.names, node, self.mentions)
        self.problems += [p.under(f"{question.id}/relations") for p in problems]
        ids = {said: said for said in self.mentions.by_id}
        relations = []
        for one in found:
            ends = [
                (end, ids, end.text.casefold()) for end in (one.head, one.tail) if end.text.casefold() in ids
            ]
            parts = [(one.kind, each.shown, one.relation.label), *ends]
            plain = [end for end in (one.head, one.tail) if end.text.casefold() not in ids]
            relations.append(one.relation.model_copy(update={"score": self.evidence.relation(parts, plain)}))
        self.answers[question.id] = RelationAnswer(relations=tuple(relations))
        sure = self.evidence.spans([relation.score for relation in relations], node)
        self._sure(each, sure.model_copy(update={"scorer": "relation_min"}) if sure is not None else None)

    # -- replies without JSON ----------------------------------------------------------------------------------------

    def _plain(self, parsed: Parsed) -> None:
        """Read a reply that is no JSON, when there is only one question it can be about."""
        said = parsed.text[parsed.start : parsed.end].strip()
        if len(self.contract.fields) != 1 or not said:
            code = "refused" if is_refusal(said) else "unreadable_reply"
            message = f"no answer in {excerpt(said)!r}" if said else "the reply is empty"
            self._problem("reply", code, message)
            return
        each = self.contract.fields[0]
        question = each.question
        if isinstance(question, SpanQuestion):
            self._plain_spans(each, question, parsed, said)
            return
        refused = is_refusal(said)
        if refused:
            self._problem("reply", "refused", f"the model refused: {excerpt(said, 200)!r}")
            return
        if self.cut:
            self._refuse(each, "cut_reply", "the reply was cut, so its answer is not taken")
            return
        node = plain_value(parsed)
        if isinstance(question, ChoiceQuestion) and len(node.text) > _MAX_PROSE:
            self._refuse(each, "unreadable_reply", f"no label in {excerpt(said)!r}")
            return
        self._field(each, node)

    def _plain_spans(self, each: Field, question: SpanQuestion, parsed: Parsed, said: str) -> None:
        assert each.names is not None
        only = question.active_labels[0] if len(question.active_labels) == 1 else None
        tags = {name for label in question.active_labels for name in (label.name, label.id)}
        if looks_marked(said, self.index.text, tags):
            self._marked(each, question, said, tags)
            return
        if says_nothing(said):
            self.answers[question.id] = SpanAnswer(spans=())
            return
        node = lines_of(parsed.text, parsed.start, parsed.end, each.names, only)
        if node is not None:
            if self.cut and node.elements:
                # The last line may be half a mention.
                node.elements[-1].complete = False
            self._spans(each, question, node)
        elif same_words(said, self.index.text):
            # The inline style without a single mark: the model copied the text and found nothing.
            self.answers[question.id] = SpanAnswer(spans=())
        else:
            code = "refused" if is_refusal(said) else "unreadable_reply"
            self._problem("reply", code, f"no mentions in {excerpt(said)!r}")

    def _marked(self, each: Field, question: SpanQuestion, said: str, tags: set[str]) -> None:
        """Read a rewriting of the text with marks around its mentions."""
        assert each.names is not None
        found, problems = align_marked(self.index.text, said, tags)
        self.problems += [p.under(f"{question.id}/spans") for p in problems]
        spans: dict[str, Span] = {}
        covered = bytearray(len(self.index.text))
        for position, place in enumerate(found):
            where = f"{question.id}/spans/{position}"
            if not place.label and len(question.active_labels) == 1:
                label = question.active_labels[0]
            else:
                named = label_problem(each.names, place.label)
                if isinstance(named, Problem):
                    self.problems.append(named.under(f"{where}/type"))
                    continue
                label = named[0]
            words = excerpt(self.index.text[place.start : place.end])
            made = span_id(question.id, place.start, place.end, label.id)
            if made in spans:
                self._problem(where, "repeated_mention", f"{words!r} is marked twice")
            elif not question.overlap and covered.find(1, place.start, place.end) >= 0:
                self._problem(where, "spans_overlap", f"{words!r} overlaps another mention")
            else:
                covered[place.start : place.end] = b"\1" * (place.end - place.start)
                spans[made] = Span(
                    id=made, label=label.id, start=place.start, end=place.end, alignment=place.tier
                )
        if self.cut and not spans:
            self._refuse(each, "cut_reply", "the reply ends before the first whole mention")
            return
        self.answers[question.id] = SpanAnswer(spans=tuple(spans.values()))

    def _sure(self, each: Field, confidence: Confidence | None) -> None:
        if confidence is not None:
            self.confidence[each.question.id] = confidence


def _taken_out(parsed: Parsed, key: str) -> Node | None:
    """The value of this property, removed, so that the names in it are not taken for answers."""
    found: Node | None = None
    for root in parsed.roots if key else ():
        for node in root.walk():
            mine = [value for name, value in node.members if name.text == key]
            if mine:
                node.members[:] = [pair for pair in node.members if pair[0].text != key]
                found = found or mine[0]
    return found


def span_id(question_id: str, start: int, end: int, label_id: str) -> str:
    """A span's id: the same span of the same question always has the same one."""
    return str(uuid.uuid5(_SPAN_IDS, f"{question_id}|{start}|{end}|{label_id}"))


def _in_order(question: ChoiceQuestion, chosen: dict[str, Node]) -> tuple[str, ...]:
    return tuple(label.id for label in question.labels if label.id in chosen)


def _leaves(node: Node) -> list[Node]:
    """The strings and words a value consists of, seen through lists and wrappers such as `{"answer": ...}`.

    Of an object with several members only those with the usual names of a value count: the rest is commentary.
    """
    if node.kind in ("string", "word"):
        return [node]
    if node.kind == "array":
        return [leaf for element in node.elements for leaf in _leaves(element)]
    members = node.members
    if len(members) > 1:
        members = [(k, v) for k, v in members if k.text.casefold() in _WRAPPERS][:1]
    return [leaf for _, value in members for leaf in _leaves(value)] + [
        leaf for element in node.elements for leaf in _leaves(element)
    ]
