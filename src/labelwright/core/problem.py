"""Wrong data as a value.

A `Problem` says where something is wrong, which kind of wrong it is, and what to do. Functions that read foreign data
return problems beside what they could use; they never raise for data and never drop a piece silently.
"""

from collections.abc import Iterable

from labelwright.core.value import Value


class Problem(Value):
    """One thing that is wrong with data.

    Attributes:
        where: Path to the place: `answers/topic/labels/0`, `reviews.csv:17:text`, `reply/entities/3`.
        code: Stable machine-readable kind, such as `unknown_label`.
        message: One sentence a person understands, with the offending value shortened.
    """

    where: str
    code: str
    message: str

    def under(self, prefix: str) -> "Problem":
        """The same problem seen from one level further out."""
        return Problem(
            where=f"{prefix}/{self.where}" if self.where else prefix, code=self.code, message=self.message
        )


def excerpt(value: object, limit: int = 60) -> str:
    """A short printable form of any value, for messages: at most `limit` characters."""
    text = value if isinstance(value, str) else repr(value)
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[: limit + 1])
    return text if len(text) <= limit else text[: limit - 1] + "…"


def count_by_code(problems: Iterable[Problem]) -> dict[str, int]:
    """How many problems of each code, most frequent first."""
    counts: dict[str, int] = {}
    for problem in problems:
        counts[problem.code] = counts.get(problem.code, 0) + 1
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
