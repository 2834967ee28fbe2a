"""From words a model wrote to numbers and to yes or no.

Hides the ways of writing them: strings, `4/5`, percentages, `4 out of 5`, thousands separators, number words.
"""

import math
import re

from labelwright.core.ontology import ScalarQuestion
from labelwright.core.problem import Problem, excerpt

_TRUE = frozenset({"true", "yes", "y", "t", "1", "1.0", "correct", "on"})
_FALSE = frozenset({"false", "no", "n", "f", "0", "0.0", "incorrect", "off"})
_WORDS = {
    word: number
    for number, word in enumerate(
        (
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
        )
    )
}
_NUMBER = r"[+-]?(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,4})?"
_ONE_NUMBER = re.compile(_NUMBER)
_FRACTION = re.compile(rf"({_NUMBER})\s*(?:/|out of|of)\s*({_NUMBER})", re.IGNORECASE)
_MAX_DIGITS = 40
_MAX_PROSE = 120


def boolean_of(said: str) -> bool | None:
    """True or false, or None when `said` is neither."""
    word = said.strip().strip("\"'`*.!()").casefold()
    # "Yes, because it sells something."
    begun = re.match(r"(yes|no|true|false)[,.;:!\n]", word)
    word = begun.group(1) if begun else word
    if word in _TRUE:
        return True
    return False if word in _FALSE else None


def is_null(said: str) -> bool:
    """Whether this stands for no value."""
    return said.strip().strip("\"'`").casefold() in (
        "null",
        "none",
        "",
        "n/a",
        "__none__",
        "undefined",
        "nil",
    )


def number_of(said: str, question: ScalarQuestion) -> int | float | Problem:
    """The number in `said`, checked against the question's type and bounds.

    Problems:
        not_a_number, not_an_integer, out_of_bounds; `where` is empty.
    """
    value = _parsed(said.strip().strip("\"'`*"), question)
    if value is None or not math.isfinite(value):
        return Problem(where="", code="not_a_number", message=f"{excerpt(said)!r} is no number")
    if question.type == "integer":
        if value != int(value):
            return Problem(
                where="", code="not_an_integer", message=f"a whole number wanted, got {excerpt(said)!r}"
            )
        value = int(value)
    low, high = question.minimum, question.maximum
    if (low is not None and value < low) or (high is not None and value > high):
        message = f"{value!r} is outside {'-∞' if low is None else f'{low:g}'} to {'∞' if high is None else f'{high:g}'}"
        return Problem(where="", code="out_of_bounds", message=message)
    return value


def percent_of(said: str) -> float | None:
    """A share written as 0 to 100, with or without a sign, or as a fraction such as 0.87; None when it is none."""
    found = re.fullmatch(rf"({_NUMBER})\s*%?", said.strip()[:_MAX_PROSE])
    value = _literal(found.group(1)) if found else None
    if value is None:
        return None
    if isinstance(value, float) and value <= 1.0 and "%" not in said:
        value *= 100
    return float(value) if 0 <= value <= 100 else None


def _parsed(said: str, question: ScalarQuestion) -> int | float | None:
    if len(said) > _MAX_PROSE:
        return None
    if said.casefold() in _WORDS:
        return _WORDS[said.casefold()]
    whole = _ONE_NUMBER.fullmatch(said)
    if whole:
        return _literal(said)
    fraction = _FRACTION.search(said)
    if fraction:
        above, below = _literal(fraction.group(1)), _literal(fraction.group(2))
        if above is None or below is None or not below:
            return None
        if question.maximum is not None and math.isclose(below, question.maximum):
            return above
        # A share of another scale is a number of its own only where no scale was given, or the scale is 0 to 1.
        if question.type == "number" and question.maximum in (None, 1.0):
            return above / below
        return None
    numbers = _ONE_NUMBER.findall(re.sub(r"(?<=\d)\s*[-–]\s*(?=\d)", " and ", said))
    if len(numbers) != 1:
        return None
    value = _literal(numbers[0])
    if value is not None and re.search(r"\d\s*%", said) and question.maximum == 1.0:
        return value / 100
    return value


def _literal(number: str) -> int | float | None:
    number = number.replace(",", "")
    if len(number) > _MAX_DIGITS:
        return None
    return int(number) if re.fullmatch(r"[+-]?\d+", number) else float(number)
