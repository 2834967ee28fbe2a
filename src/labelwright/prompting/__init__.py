"""What a model is asked, and what its reply comes to: `ask` and `read`.

Hides prompts, output formats, everything models write instead, the search for quoted mentions in the text, and the
arithmetic of token probabilities.
"""

from labelwright.prompting.ask import Example, ask, ideal_reply
from labelwright.prompting.linking import KnowledgeLists
from labelwright.prompting.marked import MarkedSpan, align_marked
from labelwright.prompting.read import read
from labelwright.prompting.template import DEFAULT_TEMPLATE, check_template
from labelwright.prompting.tokens import estimate_tokens

__all__ = [
    "DEFAULT_TEMPLATE",
    "Example",
    "KnowledgeLists",
    "MarkedSpan",
    "align_marked",
    "ask",
    "check_template",
    "estimate_tokens",
    "ideal_reply",
    "read",
]
