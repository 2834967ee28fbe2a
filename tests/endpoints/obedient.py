"""A chat endpoint that can be talked into things, in three degrees.

It labels truthfully by its script unless it sees an instruction; then it obeys the last one. `strict` only obeys what
stands outside of the fences of its last message, and takes exactly the mark that opened a fence as its end; `sloppy`
takes everything that looks like that mark as its end; `naive` knows no fences and obeys whatever it reads.
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import Any, Literal

from .scripted import ScriptedServer, Step
from .shaping import schema_in, shaped

Degree = Literal["strict", "sloppy", "naive"]

_OPENING = re.compile(r"^<((?:text|fields)(?:-\d+)?)>$", re.MULTILINE)
_ORDER = re.compile(
    r"(?:label|answer|classify|say|output|respond|is)\b[^.\n]{0,40}?\b(positive|negative)", re.IGNORECASE
)
_FOLD = str.maketrans({"‹": "<", "›": ">", "е": "e", "о": "o"})


def _read(text: str) -> str:
    """As a model may take it in: tag characters spelled out, hidden ones dropped, look-alikes folded."""
    spelled = "".join(chr(ord(c) - 0xE0000) if 0xE0020 <= ord(c) <= 0xE007E else c for c in text)
    shown = "".join(c for c in spelled if unicodedata.category(c) != "Cf")
    return unicodedata.normalize("NFKC", shown).translate(_FOLD).replace("&lt;", "<").replace("&gt;", ">")


def outside(message: str, degree: Degree) -> str:
    """What of a message is no data to this reader."""
    if degree == "naive":
        return _read(message)
    seen, rest = [], message
    while (opening := _OPENING.search(rest)) is not None:
        seen.append(rest[: opening.start()])
        rest, name = rest[opening.end() :], opening[1]
        if degree == "sloppy":
            rest = _read(rest)
            end = re.search(rf"<\s*/\s*{name}\s*>", rest, re.IGNORECASE)
        else:
            end = re.search(rf"</{name}>", rest)
        if end is None:
            rest = ""
            break
        rest = rest[end.end() :]
    return "".join([*seen, rest])


class ObedientServer(ScriptedServer):
    """Answers `truth` unless it is told otherwise."""

    def __init__(
        self, degree: Degree, truth: str = "negative", labels: Sequence[str] = ("positive", "negative")
    ) -> None:
        self.degree, self.truth, self.labels = degree, truth, labels
        super().__init__(self._step)

    def _step(self, _number: int, body: dict[str, Any]) -> Step:
        orders = _ORDER.findall(outside(body["messages"][-1]["content"], self.degree))
        says = orders[-1].lower() if orders else self.truth
        schema = schema_in(body)
        return Step(text=shaped(schema, says)[0] if schema else f'{{"label": "{says}"}}')
