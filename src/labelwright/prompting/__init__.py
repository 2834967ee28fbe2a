"""What a model is asked, and what its reply comes to: `ask` and `read`; `ask_part` and `read_parts` for what takes several.

Hides prompts, output formats, everything models write instead, the search for quoted mentions in the text, and the
arithmetic of token probabilities.
"""

from labelwright.prompting.ask import Example, ask, ideal_reply
from labelwright.prompting.linking import KnowledgeLists
from labelwright.prompting.marked import MarkedSpan, align_marked
from labelwright.prompting.parts import (
    FAILED,
    Cutter,
    ask_part,
    no_reply,
    part_ontology,
    put_together,
    read_part,
    read_parts,
)
from labelwright.prompting.read import failure_of, read
from labelwright.prompting.template import DEFAULT_TEMPLATE, check_template
from labelwright.prompting.tokens import estimate_tokens, token_cost

__all__ = [
    "DEFAULT_TEMPLATE",
    "FAILED",
    "Cutter",
    "Example",
    "KnowledgeLists",
    "MarkedSpan",
    "align_marked",
    "ask",
    "ask_part",
    "check_template",
    "estimate_tokens",
    "failure_of",
    "ideal_reply",
    "no_reply",
    "part_ontology",
    "put_together",
    "read",
    "read_part",
    "read_parts",
    "token_cost",
]
