"""Replies in plain words.

Hides what surrounds a lone answer (fences, Markdown, `Answer:`), and how a model says that it will not answer.
"""

import re

from labelwright.prompting.parse import Node, Parsed

_REFUSED = re.compile(
    r"\b(?:i(?:'|’)?m sorry|i am sorry|i apologi[sz]e|i can(?:no|'|’)t|i can not|i(?:'|’)m (?:not able|unable)"
    r"|i am (?:not able|unable)|i won(?:'|’)t|as an ai|unable to (?:help|assist|comply))\b",
    re.IGNORECASE,
)
_LEAD_IN = re.compile(
    r"(?:the\s+)?(?:final\s+|correct\s+|predicted\s+)?(?:answer|label|category|class|classification|sentiment|rating|score)"
    r"\s*(?:is|:|=|->)\s*:?",
    re.IGNORECASE,
)


def is_refusal(said: str) -> bool:
    """Whether a reply begins like a refusal."""
    return _REFUSED.search(said[:300]) is not None


def plain_value(parsed: Parsed) -> Node:
    """The whole reply as one word, without fences, quotes and a lead-in such as `Answer:`."""
    text, start, end = parsed.text, parsed.start, parsed.end
    fence = re.search(r"```[\w+-]*\n?(.*?)```", text[start:end], re.DOTALL)
    if fence and fence.group(1).strip():
        start, end = start + fence.start(1), start + fence.end(1)
    while start < end and (text[start].isspace() or text[start] in "*`\"'#>“"):
        start += 1
    while end > start and (text[end - 1].isspace() or text[end - 1] in "*`\"'”"):
        end -= 1
    lead = _LEAD_IN.match(text, start, end)
    if lead and lead.end() < end:
        start = lead.end()
        while start < end and (text[start].isspace() or text[start] in "*`\"'“"):
            start += 1
    return Node("word", start, end, text[start:end], True)


def same_words(one: str, other: str) -> bool:
    """Whether two texts differ in white space only."""
    left, right = "".join(one.split()), "".join(other.split())
    return bool(left) and left == right
