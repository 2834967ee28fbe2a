"""How an asset is asked in several requests: pieces of its text, groups of questions, repeated samples.

One request is a part. A layout is made once, when the asset is first asked about, and stored: after a crash the same
parts are still to be asked, whatever was learned about the endpoint in between.
"""

from functools import cached_property

from pydantic import Field

from labelwright.core.value import Id, Value


class Part(Value):
    """One request about an asset: these questions about text[start:end] (code points, half-open).

    Attributes:
        sample: Which of several equal requests this is, from 0; they differ in seed and in the order of labels.
    """

    start: int = Field(ge=0)
    end: int = Field(ge=0)
    questions: tuple[Id, ...]
    sample: int = Field(default=0, ge=0)


class Layout(Value):
    """All parts of an asset; a part's number is its place here. A repair of part n has number `len(parts) + n`.

    Attributes:
        halved: How many times the pieces were made smaller because the endpoint found them too long.
    """

    parts: tuple[Part, ...] = Field(min_length=1)
    halved: int = 0

    @cached_property
    def _pieces(self) -> dict[tuple[str, ...], tuple[tuple[int, int], ...]]:
        found: dict[tuple[str, ...], dict[tuple[int, int], None]] = {}
        for part in self.parts:
            found.setdefault(part.questions, {})[(part.start, part.end)] = None
        return {questions: tuple(pieces) for questions, pieces in found.items()}

    def groups(self) -> dict[tuple[str, ...], tuple[tuple[int, int], ...]]:
        """Group of questions -> the pieces of the text it is asked about, in order."""
        return self._pieces

    def place(self, number: int) -> tuple[int, int]:
        """(which piece this part is of its group, from 0; how many pieces the group has)."""
        part = self.parts[number % len(self.parts)]
        pieces = self._pieces[part.questions]
        return pieces.index((part.start, part.end)), len(pieces)
