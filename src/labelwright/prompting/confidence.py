"""How sure a model was, from the probabilities of the tokens it wrote.

Hides the way from characters of the reply to tokens, and the scorer `label_trie`: at each token that decides between
allowed answers, what share of the probability that went to any allowed answer went to the chosen one. Tokens that
every allowed answer shares (quotes, brackets, common beginnings) carry no information and do not count. Without
log-probabilities there is no number.

Source: design notes, section "Confidence of a label from token logprobs" (`label_trie`: p, p_low, mass).
"""

import json
import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate

from labelwright.core.exchange import Token, TokenChance
from labelwright.core.predictor import Confidence
from labelwright.prompting.naming import ABSTAIN
from labelwright.prompting.parse import Node

_MAX_CANDIDATES = 4_000

Candidates = Sequence[tuple[bytes, str]]
"""Ways to write an answer (lower-case UTF-8) and the answer's key."""


@dataclass(slots=True)
class _Walk:
    """What the tokens of one value came to."""

    p: float = 1.0
    low: float = 1.0
    mass: float | None = None
    shares: dict[str, float] = field(default_factory=dict)
    blind: bool = False

    def confidence(self, known: Mapping[str, str] | None = None) -> Confidence:
        if self.blind:
            return Confidence(value=_unit(self.p), scorer="token_product")
        shares = {k: _unit(v) for k, v in self.shares.items() if known is None or k in known}
        return Confidence(
            value=_unit(self.p),
            scorer="label_trie",
            distribution=shares or None,
            low=_unit(self.low),
            mass=None if self.mass is None else _unit(self.mass),
        )


def seed_top5(tokens: Sequence[Token] | None) -> Confidence | None:
    """Product of the probabilities of the first five generated tokens (fewer if the answer is shorter).

    For comparison with other tools: it measures how sure the model was of how its answer begins, brackets included.
    """
    if not tokens:
        return None
    return Confidence(value=_unit(math.exp(sum(_logprob(token) for token in tokens[:5]))), scorer="seed_top5")


class Evidence:
    """The tokens of a reply laid over its text. Every method returns None when they do not support a number."""

    def __init__(self, tokens: Sequence[Token] | None, text: str) -> None:
        """Take the tokens as the endpoint gave them, and the text that was parsed."""
        self._tokens = tokens or ()
        self._text = text

    # -- one method per form of answer -----------------------------------------------------------------------------

    def label(self, node: Node, choices: Mapping[str, str], label_id: str) -> Confidence | None:
        """Confidence of a chosen label; `choices` is label id -> name as shown to the model."""
        names = [*choices.items(), (ABSTAIN, ABSTAIN)]
        walk = self._walk(node, _candidates(node, self._text, names), label_id)
        return walk.confidence(choices) if walk else None

    def names(
        self, node: Node, leaves: Sequence[Node], choices: Mapping[str, str], chosen: Sequence[str]
    ) -> Confidence | None:
        """Confidence of a list of labels: the lowest over the labels and over the list ending where it does."""
        values = [self.label(leaf, choices, label_id) for leaf, label_id in zip(leaves, chosen, strict=True)]
        known = [c.value for c in values if c is not None and c.value is not None]
        end = self._list_end(node)
        if len(known) < len(values) or not (known or end is not None):
            return None
        return Confidence(value=min([*known, *([end] if end is not None else [])]), scorer="label_trie")

    def booleans(self, judged: Mapping[str, tuple[Node, bool]]) -> Confidence | None:
        """Confidence of one boolean per label: the lowest over the labels. The distribution is P(true) per label."""
        values: list[Confidence] = []
        true: dict[str, float] = {}
        for label_id, (node, truth) in judged.items():
            each = self.boolean(node, truth)
            if each is None or each.value is None:
                return None
            values.append(each)
            true[label_id] = each.value if truth else _unit(1.0 - each.value)
        if not values:
            return None
        weakest = min(values, key=lambda c: c.value if c.value is not None else 1.0)
        return weakest.model_copy(update={"distribution": true})

    def boolean(self, node: Node, truth: bool) -> Confidence | None:
        """Confidence of true against false."""
        names = [("true", "true"), ("false", "false")]
        walk = self._walk(node, _candidates(node, self._text, names), "true" if truth else "false")
        return walk.confidence() if walk else None

    def number(self, node: Node, number: int | float, numbers: Sequence[int]) -> Confidence | None:
        """Confidence of a number: against the other allowed ones where they are few, else of its own tokens."""
        if numbers and number in numbers:
            names = [(str(n), str(n)) for n in numbers]
            walk = self._walk(node, _candidates(node, self._text, names), str(int(number)))
            return walk.confidence() if walk else None
        chances = list(self._logprobs(node))
        if not chances:
            return None
        return Confidence(value=_unit(math.exp(sum(chances))), scorer="token_product")

    def span(
        self, quote: Node | None, kind: Node | None, choices: Mapping[str, str], label_id: str
    ) -> float | None:
        """Score of a mention: the lower of its type's confidence and the geometric mean of its words' tokens."""
        if quote is None:
            return None
        chances = list(self._logprobs(quote))
        if not chances:
            return None
        score = _unit(math.exp(sum(chances) / len(chances)))
        if kind is None:
            return score
        sure = self.label(kind, choices, label_id)
        return min(score, sure.value) if sure is not None and sure.value is not None else score

    def relation(
        self, parts: Sequence[tuple[Node | None, Mapping[str, str], str]], plain: Sequence[Node]
    ) -> float | None:
        """Score of a relation: the lowest over its parts.

        Args:
            parts: Nodes that name one of several (a type, the number of an entity), what they could name, and what
                they name.
            plain: Nodes without a known set of alternatives; the geometric mean of their tokens counts.
        """
        scores: list[float] = []
        for node, choices, chosen in parts:
            sure = self.label(node, choices, chosen) if node is not None else None
            if sure is not None and sure.value is not None:
                scores.append(sure.value)
        for node in plain:
            chances = list(self._logprobs(node))
            if chances:
                scores.append(_unit(math.exp(sum(chances) / len(chances))))
        return min(scores, default=None)

    def spans(self, scores: Sequence[float | None], node: Node | None) -> Confidence | None:
        """Confidence of a list of mentions: the lowest over the mentions and over the list ending where it does."""
        known = [score for score in scores if score is not None]
        end = self._list_end(node) if node is not None else None
        if end is not None:
            known.append(end)
        if not known or any(score is None for score in scores):
            return None
        return Confidence(value=min(known), scorer="span_min")

    # -- the walk over the tokens ------------------------------------------------------------------------------------

    def _walk(self, node: Node, candidates: Candidates, chosen: str) -> _Walk | None:
        """Walk over the tokens of a value along its candidates.

        Returns:
            None when the value has no tokens, or none of them decides between candidates.
        """
        place = self._place(node)
        if place is None or len(candidates) > _MAX_CANDIDATES:
            return None
        start, end = place
        written = self._bytes[start:end].lower()
        bare = written[:1] not in (b'"', b"'")
        if not any(key == chosen and _agrees(written, form) for form, key in candidates):
            # The model wrote it in a way of its own (a synonym, a misspelling): one more way to say the same.
            candidates = [*candidates, (written, chosen)]
        # What ends an unquoted value stands behind it: `4` may still have become `45`.
        reach = min(end + 1, len(self._bytes)) if bare else end
        following = self._bytes[start:reach].lower()
        walk = _Walk()
        seen = False
        for i in self._overlapping(start, reach):
            token_start = self._starts[i]
            lead = self._bytes[token_start:start].lower() if token_start < start else b""
            prefix = following[: max(0, token_start - start)]
            alive = [(form, key) for form, key in candidates if _agrees(prefix, form)]
            seen = self._step(walk, self._tokens[i], lead, prefix, alive, chosen) or seen
        if not seen:
            return None
        walk.shares[chosen] = walk.p
        return walk

    def _step(
        self, walk: _Walk, token: Token, lead: bytes, prefix: bytes, alive: Candidates, chosen: str
    ) -> bool:
        """Take one token into account; whether it decided anything."""
        keys = {key for _, key in alive}
        own = _means(_raw(token), lead, prefix, alive)
        if len(keys) < 2 or own == keys:
            # Every answer still possible goes on like this: no information.
            return False
        chances = _chances(token)
        if len(chances) < 2:
            walk.p *= chances[_raw(token)]
            walk.blind = True
            return True
        kept = total = 0.0
        visible: set[str] = set()
        others: dict[str, float] = {}
        for raw, chance in chances.items():
            means = own if raw == _raw(token) else _means(raw, lead, prefix, alive)
            if not means:
                continue
            visible |= means
            total += chance
            if chosen in means:
                kept += chance
            elif len(means) == 1:
                other = next(iter(means))
                others[other] = others.get(other, 0.0) + chance
        unseen = len(keys - visible) * min(chances.values())
        if walk.mass is None:
            walk.mass = total
        if total > 0.0:
            for other, chance in others.items():
                walk.shares[other] = walk.shares.get(other, 0.0) + walk.p * chance / total
            walk.p *= kept / total
        if total + unseen > 0.0:
            walk.low *= kept / (total + unseen)
        return True

    def _list_end(self, node: Node) -> float | None:
        """P(the list ends here) against P(it goes on), at the token with the closing bracket."""
        if node.kind != "array" or not node.complete or not self._tokens:
            return None
        place = self._place(Node("word", node.end - 1, node.end))
        if place is None or self._bytes[place[0] : place[1]] != b"]":
            return None
        i = next(self._overlapping(*place), None)
        if i is None:
            return None
        token = self._tokens[i]
        chances = _chances(token)
        if len(chances) < 2:
            return None
        lead = self._bytes[self._starts[i] : place[0]].strip()
        ends = goes_on = 0.0
        for raw, chance in chances.items():
            piece = raw.strip()
            if not piece.startswith(lead):
                continue
            rest = piece[len(lead) :].lstrip()
            if rest.startswith(b"]"):
                ends += chance
            elif rest or (lead.endswith(b"[") and not node.elements):
                goes_on += chance if rest[:1] in (b",", b"{", b'"', b"") else 0.0
        return _unit(ends / (ends + goes_on)) if ends > 0.0 else None

    def _logprobs(self, node: Node) -> Iterator[float]:
        """Log-probabilities of the tokens that a value's characters lie in, quotes left out."""
        inside = node
        if node.kind == "string" and node.end - node.start > 2:
            inside = Node("word", node.start + 1, node.end - 1)
        place = self._place(inside)
        if place is not None:
            for i in self._overlapping(*place):
                yield _logprob(self._tokens[i])

    # -- from characters to tokens -----------------------------------------------------------------------------------

    @cached_property
    def _bytes(self) -> bytes:
        return b"".join(_raw(token) for token in self._tokens)

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *accumulate(len(_raw(token)) for token in self._tokens)]

    @cached_property
    def _shift(self) -> int | None:
        """Where the text begins among the tokens' bytes; None when they are not the tokens of this text."""
        if not self._tokens:
            return None
        for text in (self._text, self._text.rstrip()):
            at = self._bytes.find(text.encode("utf-8", "surrogatepass"))
            if at >= 0 and text:
                return at
        stripped = self._text.strip()
        at = self._bytes.find(stripped.encode("utf-8", "surrogatepass")) if stripped else -1
        return at - (len(self._text) - len(self._text.lstrip())) if at >= 0 else None

    @cached_property
    def _widths(self) -> list[int] | None:
        """Byte offset of every character; None for ASCII."""
        if self._text.isascii():
            return None
        return [0, *accumulate(len(c.encode("utf-8", "surrogatepass")) for c in self._text)]

    def _place(self, node: Node) -> tuple[int, int] | None:
        """First and last byte (half-open) of a value among the tokens' bytes."""
        if node.start < 0 or node.end <= node.start or self._shift is None:
            return None
        start, end = node.start, min(node.end, len(self._text))
        if self._widths is not None:
            start, end = self._widths[start], self._widths[end]
        start, end = start + self._shift, end + self._shift
        return (start, end) if 0 <= start < end <= len(self._bytes) else None

    def _overlapping(self, start: int, end: int) -> Iterator[int]:
        i = max(0, bisect_right(self._starts, start) - 1)
        while i < len(self._tokens) and self._starts[i] < end:
            if self._starts[i + 1] > start:
                yield i
            i += 1


def _candidates(node: Node, text: str, names: Sequence[tuple[str, str]]) -> list[tuple[bytes, str]]:
    """All ways to write each of the answers (key, name) with the quotes that the model used."""
    quote = text[node.start : node.start + 1] if node.start >= 0 else ""
    candidates: list[tuple[bytes, str]] = []
    for key, name in names:
        if quote == '"':
            forms = {json.dumps(name, ensure_ascii=False), json.dumps(name)}
        else:
            forms = {f"'{name}'" if quote == "'" else name}
        candidates += [(form.encode("utf-8", "surrogatepass").lower(), key) for form in forms]
    return candidates


def _means(raw: bytes, lead: bytes, prefix: bytes, alive: Candidates) -> set[str]:
    """Keys of the candidates that stay possible when this token follows `prefix`."""
    piece = raw.lower()
    if lead.strip():
        # The token began before the value: what stands before it must agree, white space aside.
        before, piece = lead.strip(), piece.lstrip()
        if not piece.startswith(before):
            return {key for _, key in alive} if piece and before.startswith(piece) else set()
        piece = piece[len(before) :]
    if not prefix:
        piece = piece.lstrip()
    said = prefix + piece
    return {key for form, key in alive if _agrees(said, form)}


def _agrees(said: bytes, form: bytes) -> bool:
    """Whether `said` is a beginning of `form`, or `form` complete with something behind it."""
    if form.startswith(said):
        return True
    if not said.startswith(form):
        return False
    if form[:1] in (b'"', b"'"):
        return True
    behind = said[len(form) : len(form) + 1]
    # `4` is complete before `,` but not before `5` or `.5`.
    return not (behind.isalnum() or behind in (b".", b"_", b"-") or behind >= b"\x80")


def _raw(token: TokenChance) -> bytes:
    """The token's bytes; its text where the endpoint gives none."""
    if token.bytes is not None:
        return bytes(b & 0xFF for b in token.bytes)
    return token.token.encode("utf-8", "surrogatepass")


def _logprob(token: TokenChance) -> float:
    # Servers send -9999 for "below what we keep"; NaN would poison every product.
    return -1e4 if math.isnan(token.logprob) else max(-1e4, min(0.0, token.logprob))


def _chances(token: Token) -> dict[bytes, float]:
    """Probability of the chosen token and of each alternative at its place."""
    chances = {_raw(other): math.exp(_logprob(other)) for other in token.top}
    chances[_raw(token)] = math.exp(_logprob(token))
    return chances


def _unit(number: float) -> float:
    return 0.0 if math.isnan(number) else max(0.0, min(1.0, number))
