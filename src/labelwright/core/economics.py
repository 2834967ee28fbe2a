"""What came of a model's labels once a person had judged them, counted per label.

Hides how a thing the model said is matched with a thing the person left: the same thing is accepted, another one in its
place is a correction, none is a rejection.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from labelwright.core.answer import (
    Answer,
    Answers,
    ChoiceAnswer,
    RegionAnswer,
    Span,
    SpanAnswer,
    same_meaning,
)
from labelwright.core.overlap import agreed, fits, match
from labelwright.core.value import Value


class Verdict(Value):
    """Counts for one label of one question.

    Laws: what the model said is `accepted + corrected + rejected`; over all labels of a question, what the person said
    (`final`) is `accepted + corrected + added`.

    Attributes:
        label: Label id; empty for numbers, yes / no and free texts.
        accepted: Kept as the model said it.
        corrected: Said by the model, replaced by the person: by another label, value or border. Counted at the model's label.
        rejected: Said by the model, taken away by the person.
        added: Said by the person where the model had nothing.
        final: Said by the person.
        correct: Said by the model and true: by gold where there is gold, else by the person.
    """

    question: str
    label: str = ""
    accepted: int = 0
    corrected: int = 0
    rejected: int = 0
    added: int = 0
    final: int = 0
    correct: int = 0


def judge(said: Answers | None, given: Answers, gold: Answers | None = None) -> list[Verdict]:
    """How a person's answers judge a model's; labels of which nothing is to be said are left out.

    Args:
        said: The model's answers; None when there were none at all, which adds nothing to what it missed.
        given: The person's.
        gold: Trusted answers, for the questions it answers.
    """
    found: list[Verdict] = []
    questions = dict.fromkeys([*(said.root if said is not None else ()), *given.root])
    for question in questions:
        before = said.get(question) if said is not None else None
        after = given.get(question)
        counts = _judge(before, after)
        if said is None:
            counts["added"].clear()
        truth = gold.get(question) if gold is not None else None
        right = _kept(before, truth) if truth is not None else counts["accepted"]
        for label in sorted({label for counter in counts.values() for label in counter} | set(right)):
            numbers = {name: counter[label] for name, counter in counts.items()}
            found.append(Verdict(question=question, label=label, correct=right[label], **numbers))
    return found


def _judge(before: Answer | None, after: Answer | None) -> dict[str, Counter[str]]:
    if isinstance(before, RegionAnswer) or isinstance(after, RegionAnswer):
        return _judge_regions(
            before if isinstance(before, RegionAnswer) else RegionAnswer(regions=()),
            after if isinstance(after, RegionAnswer) else RegionAnswer(regions=()),
        )
    accepted = _kept(before, after)
    corrected: Counter[str] = Counter()
    rejected: Counter[str] = Counter()
    added: Counter[str] = Counter()
    if isinstance(before, SpanAnswer | None) and isinstance(after, SpanAnswer | None) and (before or after):
        model, person = _unmatched(before, after), _unmatched(after, before)
        for span in model:
            other = next((each for each in person if each.start < span.end and span.start < each.end), None)
            if other is None:
                rejected[span.label] += 1
            else:
                person.remove(other)
                corrected[span.label] += 1
        added.update(span.label for span in person)
    else:
        model_left, person_left = _things(before) - accepted, _things(after) - accepted
        several = len(_things(before)) > 1 or len(_things(after)) > 1
        if model_left and person_left and not several:
            corrected.update(model_left)
        else:
            rejected.update(model_left)
            added.update(person_left)
    return {
        "accepted": accepted, "corrected": corrected, "rejected": rejected, "added": added, "final": _things(after),
    }  # fmt: skip


def _judge_regions(before: RegionAnswer, after: RegionAnswer) -> dict[str, Counter[str]]:
    """A region is kept when its match has no other attributes; one with another label or a border far off is corrected."""
    found = match(before.regions, after.regions)
    accepted, corrected = Counter[str](), Counter[str]()
    for pair in found.matched:
        region = before.regions[pair.predicted]
        kept = fits(region, after.regions[pair.true])
        (accepted if kept else corrected)[region.label] += 1
    corrected.update(before.regions[p.predicted].label for p in (*found.wrong_label, *found.low_overlap))
    return {
        "accepted": accepted, "corrected": corrected,
        "rejected": Counter(before.regions[i].label for i in found.extra),
        "added": Counter(after.regions[j].label for j in found.missing),
        "final": _things(after),
    }  # fmt: skip


def _things(answer: Answer | None) -> Counter[str]:
    """What an answer says, by label."""
    match answer:
        case None:
            return Counter()
        case ChoiceAnswer(labels=labels):
            return Counter(set(labels))
        case SpanAnswer(spans=spans):
            return Counter(span.label for span in spans)
        case RegionAnswer(regions=regions):
            return Counter(region.label for region in regions)
        case _:
            return Counter([""])


def _kept(one: Answer | None, other: Answer | None) -> Counter[str]:
    """What both answers say, by label."""
    if isinstance(one, SpanAnswer) and isinstance(other, SpanAnswer):
        both = Counter(map(_key, one.spans)) & Counter(map(_key, other.spans))
        return Counter(label for (_, _, label), n in both.items() for _ in range(n))
    if isinstance(one, RegionAnswer) and isinstance(other, RegionAnswer):
        return Counter(one.regions[pair.predicted].label for pair in agreed(one, other))
    if isinstance(one, ChoiceAnswer) and isinstance(other, ChoiceAnswer):
        return Counter(set(one.labels) & set(other.labels))
    return Counter([""]) if one is not None and other is not None and same_meaning(one, other) else Counter()


def _key(span: Span) -> tuple[int, int, str]:
    return (span.start, span.end, span.label)


def _unmatched(answer: SpanAnswer | None, other: SpanAnswer | None) -> list[Span]:
    """Spans the other answer lacks, in text order."""
    rest = Counter(_key(span) for span in (other.spans if other is not None else ()))
    left: list[Span] = []
    for span in sorted(answer.spans if answer is not None else (), key=_key):
        if rest[_key(span)] > 0:
            rest[_key(span)] -= 1
        else:
            left.append(span)
    return left


class Figures(Value):
    """The economics of some part of the work.

    Attributes:
        submissions: Made, those taken back or replaced too: their time was spent.
        timed: How many of them have an active time; the minutes are of these.
        judged: Submissions that judged a prediction, shown or not.
        accepted, corrected, rejected, added: Labels, where the suggestion was shown (see `Verdict`).
        correct, said: Labels the model said, and how many of them are true; where it was not shown too.
        final: Labels people gave.
        cost_usd: Of the model, for all it was asked; None when unknown (no price), which is not zero.
        judged_usd: Of the model, for the assets that were judged.
        people_usd: Active time at the project's hourly rate; None without one.
    """

    submissions: int = 0
    timed: int = 0
    active_min: float = 0.0
    idle_min: float = 0.0
    wait_min: float = 0.0
    judged: int = 0
    accepted: int = 0
    corrected: int = 0
    rejected: int = 0
    added: int = 0
    said: int = 0
    correct: int = 0
    final: int = 0
    cost_usd: float | None = None
    judged_usd: float | None = None
    people_usd: float | None = None
    usd_per_accepted: float | None = None
    usd_per_correct: float | None = None
    usd_per_final: float | None = None
    labels_per_active_hour: float | None = None

    def worked_out(self, usd_per_hour: float | None) -> "Figures":
        """With the ratios; those whose parts are unknown or zero stay None."""
        people = self.active_min / 60 * usd_per_hour if usd_per_hour is not None else None
        whole = None if self.judged_usd is None or people is None else self.judged_usd + people
        return self.model_copy(
            update={
                "people_usd": people,
                "usd_per_accepted": _per(self.judged_usd, self.accepted),
                "usd_per_correct": _per(self.judged_usd, self.correct),
                "usd_per_final": _per(whole, self.final),
                "labels_per_active_hour": _per(self.final, self.active_min / 60),
            }
        )


def _per(amount: float | None, n: float) -> float | None:
    return amount / n if amount is not None and n > 0 else None


def total(parts: Iterable[Figures]) -> Figures:
    """Sums of counts, minutes and known costs; a cost is unknown when a part's is."""
    rows: Sequence[Figures] = list(parts)
    if not rows:
        return Figures()
    counted = {
        name: sum(getattr(row, name) for row in rows)
        for name, kind in Figures.model_fields.items()
        if kind.annotation in (int, float)
    }
    return Figures(**counted)
