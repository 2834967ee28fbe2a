"""An asset of a run while it is asked about: its parts, the replies so far, and what they came to."""

from dataclasses import dataclass, field
from decimal import Decimal

from labelwright.core.asset import Asset
from labelwright.core.errors import LabelwrightError, ProviderError
from labelwright.core.exchange import Reply, Request, Usage
from labelwright.core.layout import Layout, Part
from labelwright.core.ontology import Ontology
from labelwright.core.predictor import Decoding, Reading
from labelwright.core.problem import excerpt
from labelwright.prompting import (
    KnowledgeLists,
    no_reply,
    read_parts,
)
from labelwright.store import exchange


@dataclass
class Asked:
    """An asset that is being asked about.

    Attributes:
        layout: In which requests; replaced by one of smaller pieces when a piece turns out to be too long.
        replies: Part number -> its replies so far, the repair last.
        readings: Part number -> what it came to, once there is nothing more to ask about it.
        new: Replies that are not stored yet, by number (repairs count on from the last part).
        sent: Whether anything was sent in this attempt.
    """

    asset: Asset
    layout: Layout
    replies: dict[int, list[Reply]] = field(default_factory=dict)
    readings: dict[int, Reading] = field(default_factory=dict)
    new: list[tuple[int, Request, Reply]] = field(default_factory=list)
    repairs: set[int] = field(default_factory=set)
    sent: bool = False
    usd: Decimal | None = Decimal(0)

    @property
    def complete(self) -> bool:
        """Whether there is nothing more to ask about it."""
        return len(self.readings) == len(self.layout.parts)

    def every(self) -> tuple[Reply, ...]:
        """All replies so far, by part."""
        return tuple(reply for _, replies in sorted(self.replies.items()) for reply in replies)


def read_answered(
    ontology: Ontology, text: str, kept: exchange.Answered, decoding: Decoding, lists: KnowledgeLists
) -> Reading:
    """What the kept replies of an asset come to."""
    everything = tuple(question.id for question in ontology.active_questions)
    layout = kept.layout or Layout(parts=(Part(start=0, end=len(text), questions=everything),))
    replies: dict[int, list[Reply]] = {}
    for number, reply in sorted(kept.replies.items()):
        replies.setdefault(number % len(layout.parts), []).append(reply)
    return read_parts(ontology, text, layout, replies, decoding, lists)


def reply_of(outcome: Reply | ProviderError) -> Reply:
    """What is kept and billed of an outcome."""
    if isinstance(outcome, Reply):
        return outcome
    message = excerpt(sentence(outcome), 400)
    return no_reply(outcome.code[:50], message, outcome.usage or Usage(), outcome.attempts)


def longest_piece(layout: Layout) -> int:
    """Length of the longest piece of text, in code points."""
    return max(part.end - part.start for part in layout.parts)


def sentence(error: LabelwrightError) -> str:
    """An error in words, with what to do next."""
    wait = getattr(error, "retry_after_s", None)
    asked = f" It asked to wait {wait:,.0f} s; resume then." if wait else ""
    return f"{error.message}{asked} {error.hint}".strip()
