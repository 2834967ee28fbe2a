"""How many tokens a text will cost, without a tokenizer and without a network.

Hides the piece heuristic. It errs on the high side, and is meant to be multiplied by a factor learned from the usage
that the endpoint reports.
"""

import re

_PIECES = re.compile(
    r"(?P<word>[A-Za-zÀ-ɏ]+)"
    r"|(?P<digits>\d{1,3})"
    r"|(?P<cjk>[\u2e80-\u9fff\uac00-\ud7ff\u3040-\u30ff\uf900-\ufaff\uff00-\uffef])"
    r"|(?P<letters>[^\W\d_A-Za-zÀ-ɏ\u2e80-\u9fff\uac00-\ud7ff\u3040-\u30ff]+)"
    r"|(?P<newlines>\n+)"
    r"|(?P<blanks>[^\S\n]{2,})"
    r"|(?P<sign>[!-/:-@\[-`{-~])"
    r"|(?P<other>[^\s])"
)

_CASE_CHANGES = re.compile(r"[a-z](?=[A-Z])|[A-Z](?=[a-z])")


def estimate_tokens(text: str) -> int:
    """About how many tokens `text` is; rather too many than too few. See `token_cost`."""
    return int(token_cost(text) + 0.999)


def token_cost(text: str) -> float:
    """The estimate before rounding, so that pieces can be added up.

    Source: piece heuristic of the design notes, made stricter against two real vocabularies (`benchmarks/
    token_estimates.py`): a Latin word costs max(1, letters / 6 + 0.3), rounded, one of more than 12 letters 0.4 a
    letter, one of mixed case (keys, hashes) 0.65 a letter; other alphabets 0.75 a letter; one to three digits 1, and 1
    more behind a blank; a Han, kana or Hangul character 1.2; a sign of ASCII 1; any other sign 2, or 3 outside the basic
    plane.
    """
    cost = 0.0
    for piece in _PIECES.finditer(text):
        start, end = piece.span()
        size = end - start
        match piece.lastgroup:
            case "word":
                cost += _word(piece.group())
            case "digits":
                cost += 1 + (start > 0 and text[start - 1] == " ")
            case "cjk":
                cost += 1.2
            case "sign" | "newlines":
                cost += 1
            case "letters":
                cost += max(1.0, size * 0.75)
            case "blanks":
                cost += 1 + size / 16
            case _:
                cost += 2 if text[start] <= "\uffff" else 3
    return cost


def _word(word: str) -> float:
    size = len(word)
    if not (word.islower() or word[1:].islower()) and len(_CASE_CHANGES.findall(word)) > 1:
        return max(1.0, size * 0.65)
    return max(1, round(size / 6 + 0.3)) if size <= 12 else size * 0.4
