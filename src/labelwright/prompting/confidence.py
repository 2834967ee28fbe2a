"""How sure the model was."""

from collections.abc import Sequence

from labelwright.core.exchange import Token
from labelwright.core.predictor import Confidence
from labelwright.prompting.parse import Node


class Evidence:
    def __init__(self, tokens: Sequence[Token] | None, text: str) -> None: ...

    def label(self, node: Node, choices: dict[str, str], label_id: str) -> Confidence | None:
        return None

    def names(
        self, node: Node, leaves: list[Node], choices: dict[str, str], chosen: list[str]
    ) -> Confidence | None:
        return None

    def booleans(self, judged: dict[str, tuple[Node, bool]]) -> Confidence | None:
        return None

    def boolean(self, node: Node, truth: bool) -> Confidence | None:
        return None

    def number(self, node: Node, number: float, numbers: tuple[int, ...]) -> Confidence | None:
        return None

    def span(
        self, quote: Node | None, kind: Node | None, choices: dict[str, str], label_id: str
    ) -> float | None:
        return None

    def spans(self, scores: list[float | None], node: Node | None) -> Confidence | None:
        return None
