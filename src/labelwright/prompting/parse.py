"""Finds the JSON in what a model wrote, however it wrote it, and keeps the place of every value.

Hides the tolerance: code fences, prose around, Python literals, comments, trailing or missing commas, unescaped
quotes, control characters, missing closing brackets. It runs in one pass over the text (linear time), never raises,
and says of every value whether it was complete, so that half a word is never taken for an answer.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from labelwright.core.problem import Problem

MAX_DEPTH = 60
"""Deeper nesting is refused."""

MAX_REPLY_CHARACTERS = 4_000_000
"""What stands behind this many characters is not read."""

_LOOK_AHEAD = 200
_OPENERS = re.compile(r"[{\[]")
_SPACE = re.compile(r"(?:\s|//[^\n]*|/\*(?:[^*]|\*(?!/))*(?:\*/|\Z))*+")
_BARE = re.compile(r"[^,{}\[\]\n]*")
_BARE_KEY = re.compile(r"[^\s,:={}\[\]\"'][^,:={}\[\]\"'\n]*")
_PLAIN = {quote: re.compile(rf"[^{quote}\\]*+") for quote in "\"'”’`"}
_CLOSING = {'"': '"', "'": "'", "“": "”", "‘": "’"}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", '"': '"', "'": "'", "\\": "\\", "/": "/"}
_HEX4 = re.compile(r"[0-9a-fA-F]{4}")
_THOUGHT = re.compile(r"</?(?:think|thinking|reasoning)>", re.IGNORECASE)

Kind = Literal["object", "array", "string", "word"]


@dataclass(slots=True)
class Node:
    """A value and where it stands in the text (code points, half-open, quotes and brackets included).

    Attributes:
        kind: `word` is anything unquoted: numbers, true, null, a bare label.
        text: Decoded string, or the word as written; empty for objects and arrays.
        complete: Whether its end was seen.
        members: Keys and values of an object, in order, duplicates kept.
        elements: Items of an array; also keys without a value in an object (`{"a", "b"}`).
    """

    kind: Kind
    start: int
    end: int = -1
    text: str = ""
    complete: bool = False
    members: list[tuple["Node", "Node"]] = field(default_factory=list)
    elements: list["Node"] = field(default_factory=list)

    def walk(self) -> Iterator["Node"]:
        """This node and everything in it, outer before inner, in text order."""
        stack = [self]
        while stack:
            node = stack.pop()
            yield node
            stack += [*reversed(node.elements), *(value for _, value in reversed(node.members))]


@dataclass(slots=True)
class Parsed:
    """What was found: every outermost object or array, and the text without the model's thoughts.

    Attributes:
        start: Where the answer proper begins, after any `<think>` block.
        end: Where reading stopped.
    """

    text: str
    roots: list[Node]
    problems: list[Problem]
    start: int
    end: int


def parse(text: str) -> Parsed:
    """Find all JSON-like values in `text`.

    Problems:
        huge_reply, too_deep, cut_reply (the thoughts never ended).
    """
    problems: list[Problem] = []
    end = len(text)
    if end > MAX_REPLY_CHARACTERS:
        end = MAX_REPLY_CHARACTERS
        message = f"the reply has {len(text)} characters; only the first {MAX_REPLY_CHARACTERS} were read"
        problems.append(Problem(where="reply", code="huge_reply", message=message))
        text = text[:end]
    start = 0
    marks = list(_THOUGHT.finditer(text))
    if marks:
        start = marks[-1].end()
        if not marks[-1].group().startswith("</"):
            message = "the reply ends within the model's thoughts"
            problems.append(Problem(where="reply", code="cut_reply", message=message))
            return Parsed(text, [], problems, end, end)
    scanner = _Scanner(text, start)
    roots: list[Node] = []
    while (opener := _OPENERS.search(text, scanner.at)) is not None:
        scanner.at = opener.start()
        try:
            roots.append(scanner.value(0, "item"))
        except _TooDeep:
            message = f"nested deeper than {MAX_DEPTH} levels; what follows was not read"
            problems.append(Problem(where="reply", code="too_deep", message=message))
            break
        scanner.at = max(scanner.at, opener.end())
    return Parsed(text, roots, problems, start, end)


class _TooDeep(Exception):
    pass


class _Scanner:
    """Reads values from left to right; `at` only ever grows."""

    def __init__(self, text: str, at: int) -> None:
        self.text = text
        self.at = at

    def skip(self) -> str:
        """Move over white space and comments; the character there, empty at the end."""
        found = _SPACE.match(self.text, self.at)
        assert found is not None
        self.at = found.end()
        return self.text[self.at : self.at + 1]

    def value(self, depth: int, place: Literal["member", "item"]) -> Node:
        if depth > MAX_DEPTH:
            raise _TooDeep
        first = self.skip()
        if first == "{":
            return self.object(depth)
        if first == "[" or (first == "(" and place == "item" and depth):
            return self.array(depth, ")" if first == "(" else "]")
        if first in _CLOSING and first:
            return self.string(place)
        return self.word()

    def object(self, depth: int) -> Node:
        node = Node("object", self.at)
        self.at += 1
        while True:
            first = self.skip()
            if first == "" or first == "]":
                break
            if first == "}":
                self.at += 1
                node.complete = True
                break
            if first in ",;":
                self.at += 1
                continue
            if first in "{[":
                node.elements.append(self.value(depth + 1, "item"))
                continue
            before = self.at
            key = self.string("key") if first in _CLOSING else self.bare_key()
            following = self.skip()
            if following in (":", "="):
                self.at += 1
                if self.text[self.at : self.at + 1] == ">":
                    self.at += 1
                node.members.append((key, self.value(depth + 1, "member")))
            else:
                node.elements.append(key)
            if self.at == before:
                self.at += 1
        node.end = self.at
        return node

    def array(self, depth: int, closing: str) -> Node:
        node = Node("array", self.at)
        self.at += 1
        while True:
            first = self.skip()
            if first == "" or first == "}":
                break
            if first in ")]":
                if first == closing:
                    self.at += 1
                    node.complete = True
                elif closing == "]":
                    self.at += 1
                    continue
                break
            if first in ",;":
                self.at += 1
                continue
            before = self.at
            element = self.value(depth + 1, "item")
            if not (element.kind == "word" and element.text in ("...", "…", "")):
                node.elements.append(element)
            if self.at == before:
                self.at += 1
        node.end = self.at
        return node

    def bare_key(self) -> Node:
        node = Node("word", self.at)
        found = _BARE_KEY.match(self.text, self.at)
        self.at = found.end() if found else self.at + 1
        node.text = self.text[node.start : self.at].strip()
        node.end = node.start + len(node.text)
        node.complete = self.at < len(self.text)
        return node

    def word(self) -> Node:
        node = Node("word", self.at)
        found = _BARE.match(self.text, self.at)
        assert found is not None
        node.text = found.group().rstrip()
        if node.text.endswith(")") and "(" not in node.text:
            node.text = node.text.rstrip(") ")
        comment = re.search(r"\s(?://|#)", node.text)
        if comment:
            node.text = node.text[: comment.start()].rstrip()
        node.end = node.start + len(node.text)
        self.at = max(node.end, node.start) if node.text else found.end()
        if comment:
            self.at = found.end()
        whole = node.text.casefold() in ("true", "false", "null", "none", "nan")
        node.complete = node.end < len(self.text) or whole
        return node

    def string(self, place: Literal["member", "item", "key"]) -> Node:
        """A quoted string. A quote that cannot be its end, by what follows, belongs to the text."""
        text, node = self.text, Node("string", self.at)
        closing = _CLOSING[text[self.at]]
        if text.startswith('"""', self.at) or text.startswith("'''", self.at):
            mark = text[self.at : self.at + 3]
            end = text.find(mark, self.at + 3)
            if end >= 0:
                node.text, node.complete = text[self.at + 3 : end], True
                self.at = node.end = end + 3
                return node
        plain, parts = _PLAIN[closing], []
        at = self.at + 1
        while True:
            found = plain.match(text, at)
            assert found is not None
            parts.append(found.group())
            at = found.end()
            if at >= len(text):
                break
            if text[at] == "\\":
                piece, at = _escape(text, at)
                parts.append(piece)
            elif self.closes(at, place):
                node.complete = True
                at += 1
                break
            else:
                parts.append(text[at])
                at += 1
        self.at = node.end = at
        node.text = "".join(parts)
        return node

    def closes(self, at: int, place: Literal["member", "item", "key"]) -> bool:
        """Whether the quote at `at` ends its string. Always true in valid JSON."""
        found = _SPACE.match(self.text, at + 1)
        after = found.end() if found else at + 1
        following = self.text[after : after + 1]
        if following in ("", "}", "]", "`"):
            return True
        if place == "key":
            return following in ":,="
        if place == "item":
            if following == ",":
                upcoming = _SPACE.match(self.text, after + 1)
                where = upcoming.end() if upcoming else after + 1
                upcoming_sign = self.text[where : where + 1]
                return not upcoming_sign or upcoming_sign in "\"'“‘{[(]-+.0123456789tfnTFNI"
            return following in "\"'“)"
        if following == ",":
            return self.key_follows(after + 1)
        return following in "\"'“" and self.key_follows(after)

    def key_follows(self, at: int) -> bool:
        """Whether a member of an object may begin here; looks a bounded way ahead."""
        found = _SPACE.match(self.text, at)
        at = found.end() if found else at
        first = self.text[at : at + 1]
        if first in ("", "}", "]"):
            return True
        if first in _CLOSING:
            ahead = self.text[at + 1 : at + 1 + _LOOK_AHEAD]
            end = ahead.find(_CLOSING[first])
            while end > 0 and ahead[end - 1] == "\\":
                end = ahead.find(_CLOSING[first], end + 1)
            if end < 0:
                # The key is longer than the look-ahead, or the reply was cut: give the model the benefit.
                return len(ahead) == _LOOK_AHEAD or at + 1 + len(ahead) >= len(self.text)
            rest = ahead[end + 1 :].lstrip()
            return rest[:1] in ("", ":", "=")
        bare = re.match(r"[A-Za-z_][\w\- ]{0,60}\s*[:=]", self.text[at : at + _LOOK_AHEAD])
        return bare is not None


def _escape(text: str, at: int) -> tuple[str, int]:
    """The character an escape stands for, and the place after it. Unknown escapes stay as written."""
    letter = text[at + 1 : at + 2]
    if letter == "u":
        found = _HEX4.match(text, at + 2)
        if found is None:
            return "\\", at + 1
        code, at = int(found.group(), 16), found.end()
        if 0xD800 <= code < 0xDC00 and text.startswith("\\u", at):
            low = _HEX4.match(text, at + 2)
            if low is not None and 0xDC00 <= int(low.group(), 16) < 0xE000:
                code = 0x10000 + ((code - 0xD800) << 10) + (int(low.group(), 16) - 0xDC00)
                at = low.end()
        # Half a surrogate pair is no character.
        return ("\N{REPLACEMENT CHARACTER}" if 0xD800 <= code < 0xE000 else chr(code)), at
    if letter in _ESCAPES and letter:
        return _ESCAPES[letter], at + 2
    return "\\", at + 1
