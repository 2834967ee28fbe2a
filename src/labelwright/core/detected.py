"""From what a detector saw to an answer: its classes become labels of a question, its objects become regions.

Hides which question a detector answers, which kind of shape it marks there, and what the answer's confidence is.
"""

from collections import Counter
from collections.abc import Mapping

from labelwright.core.answer import Answer, Answers, ChoiceAnswer, Region, RegionAnswer
from labelwright.core.conform import conform
from labelwright.core.detector import DetectorSpec, Marks, Seen
from labelwright.core.errors import Invalid
from labelwright.core.ontology import ChoiceQuestion, Ontology, RegionQuestion
from labelwright.core.predictor import Confidence, Reading
from labelwright.core.problem import Problem
from labelwright.core.shape import Size
from labelwright.core.transfer import find_label, find_question
from labelwright.core.value import Value

_PREFERRED: dict[Marks, tuple[Marks, ...]] = {
    "box": ("box", "rotated_box", "polygon", "mask"),
    "mask": ("mask", "polygon", "box", "rotated_box"),
    "polygon": ("polygon", "mask", "box", "rotated_box"),
    "rotated_box": ("rotated_box", "polygon", "mask", "box"),
}


class ClassRow(Value):
    """A class of a detector and the label it becomes; None when no label has its name or synonym."""

    number: int
    name: str
    label: str | None


class Fitting(Value):
    """How a detector answers a question.

    Attributes:
        marks: Kind of shape that regions get; None for a choice.
    """

    question: str
    marks: Marks | None
    classes: tuple[ClassRow, ...]

    @property
    def labels(self) -> dict[int, str]:
        """Class number -> label id, of those that have one."""
        return {row.number: row.label for row in self.classes if row.label is not None}


def fitting(spec: DetectorSpec, ontology: Ontology, named: str = "") -> Fitting:
    """How a detector answers a question of a project.

    Args:
        spec: Of the detector.
        ontology: Of the project.
        named: Id or name of the question; empty for the only one that fits.

    Raises:
        Invalid: There is no such question, several, or it cannot hold what the detector finds.
    """
    question = _question(spec, ontology, named)
    active = {label.id for label in question.active_labels}
    found = {number: find_label(question, name) for number, name in sorted(spec.classes.items())}
    rows = tuple(
        ClassRow(number=number, name=spec.classes[number], label=label if label in active else None)
        for number, label in found.items()
        if number != spec.background
    )
    marks = None
    if isinstance(question, RegionQuestion):
        order = _PREFERRED[spec.marks]
        marks = next((kind for kind in order if kind in question.shapes), None)
        if marks is None:
            raise Invalid(
                "no_shape", f"{question.name!r} takes {', '.join(question.shapes)}, which {spec.name!r} cannot mark",
                f"allow one of {', '.join(order)} in the question",
            )  # fmt: skip
    return Fitting(question=question.id, marks=marks, classes=rows)


def _question(spec: DetectorSpec, ontology: Ontology, named: str) -> RegionQuestion | ChoiceQuestion:
    kind = ChoiceQuestion if spec.task == "classify" else RegionQuestion
    what = "a choice between labels" if spec.task == "classify" else "regions"
    able = [question for question in ontology.active_questions if isinstance(question, kind)]
    if named:
        found = find_question(ontology, named)
        if found is None or found not in able:
            names = ", ".join(question.name for question in able) or "none"
            raise Invalid("no_question", f"{named!r} is no question for {what}", f"those are: {names}")
        able = [found]
    if len(able) != 1:
        if able:
            names = ", ".join(question.name for question in able)
            raise Invalid("which_question", f"several questions ask for {what}", f"say which: {names}")
        raise Invalid(
            "no_question", f"no question of this project asks for {what}", "add one under Questions"
        )
    return able[0]


def read(
    seen: Seen, spec: DetectorSpec, fit: Fitting, ontology: Ontology, picture: Size
) -> tuple[Reading, Counter[str]]:
    """The answer to the question, and how many objects of which class have no label there.

    The confidence of regions is the score of the least sure one. A picture without any has none: nothing that was
    seen supports a number.

    Problems:
        detector_failed, no_label, and all of `conform`; then nothing is answered.
    """
    if seen.error:
        return _refused(fit, "detector_failed", seen.error), Counter()
    left: Counter[str] = Counter()
    answer: Answer | None
    if fit.marks is None:
        answer, sure = _choice(seen.scores or {}, spec, fit, ontology)
        if answer is None:
            best = max(seen.scores or {0: 0.0}, key=lambda number: (seen.scores or {}).get(number, 0.0))
            left[spec.classes.get(best, f"class {best}")] += 1
    else:
        answer, sure = _regions(seen, spec, fit, left)
    problems = [
        Problem(
            where=fit.question,
            code="no_label",
            message=f"{n} of class {name!r} left out: no label has this name",
        )
        for name, n in left.most_common()
    ]
    if seen.cut:
        message = f"{seen.cut} more objects left out: at most {spec.max_objects} are kept"
        problems.append(Problem(where=fit.question, code="too_many_objects", message=message))
    if answer is None:
        return Reading(answers=Answers(), problems=tuple(problems)), left
    answers = Answers.of({fit.question: answer})
    wrong = [p for p in conform(ontology, answers, picture, complete=False) if p.code != "not_asked"]
    if wrong:
        return Reading(answers=Answers(), problems=tuple(wrong[:20])), left
    return Reading(answers=answers, confidence={fit.question: sure}, problems=tuple(problems)), left


def _refused(fit: Fitting, code: str, message: str) -> Reading:
    return Reading(answers=Answers(), problems=(Problem(where=fit.question, code=code, message=message),))


def _regions(
    seen: Seen, spec: DetectorSpec, fit: Fitting, left: Counter[str]
) -> tuple[RegionAnswer, Confidence]:
    labels = fit.labels
    regions: list[Region] = []
    for each in seen.objects:
        label = labels.get(each.class_number)
        if label is None:
            left[spec.classes.get(each.class_number, f"class {each.class_number}")] += 1
            continue
        regions.append(Region(id=f"d{len(regions) + 1}", label=label, shape=each.shape, score=each.score))
    lowest = min((region.score for region in regions if region.score is not None), default=None)
    return RegionAnswer(regions=tuple(regions)), Confidence(value=lowest, scorer="detector")


def _choice(
    scores: Mapping[int, float], spec: DetectorSpec, fit: Fitting, ontology: Ontology
) -> tuple[ChoiceAnswer | None, Confidence]:
    """The most probable class, or every class above the threshold where the question takes several.

    Of several the confidence is that of the least sure decision for or against a label.
    """
    labels, shares = fit.labels, dict[str, float]()
    for number, share in scores.items():
        if number in labels:
            shares[labels[number]] = max(share, shares.get(labels[number], 0.0))
    question = ontology.question(fit.question)
    if isinstance(question, ChoiceQuestion) and question.multiple:
        chosen = tuple(label for label, share in shares.items() if share >= spec.score_threshold)
        sure = min((max(share, 1 - share) for share in shares.values()), default=None)
        return ChoiceAnswer(labels=chosen), Confidence(value=sure, scorer="detector", distribution=shares)
    best = max(scores, key=lambda number: scores[number], default=None)
    if best is None or best not in labels:
        return None, Confidence()
    label = labels[best]
    return ChoiceAnswer(labels=(label,)), Confidence(
        value=scores[best], scorer="detector", distribution=shares
    )
