"""Texts that deserve a second look before a model's answer is trusted: words aimed at a model, characters nobody sees.

Hides the patterns and their exceptions (joiners in emoji and Indic scripts, direction marks in Arabic and Hebrew). The
rules prefer a missed attack to a false alarm: a flag asks for a person's eyes, it changes neither text nor answer.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, get_args

from pydantic import Field

from labelwright.core.value import Value

FlagKind = Literal["instructions", "role_marks", "invisible", "mixed_scripts"]
"""`instructions`: words that tell a model what to do. `role_marks`: marks that prompts are made of, such as
`<|im_start|>` or our own fence. `invisible`: characters that are not seen or turn the reading direction.
`mixed_scripts`: a word that mixes look-alike letters of two scripts."""

KINDS: tuple[FlagKind, ...] = get_args(FlagKind)
MOST_PLACES = 50
"""Places reported per text and kind; more of the same say nothing new."""
LOOKED_AT = 200_000
"""Only so many characters of a text are searched, from either end, so that a hostile file cannot stall an import."""


class Flag(Value):
    """One place that deserves a look.

    Attributes:
        start: First code point, inclusive; `end` exclusive.
        field: Name of the metadata field it stands in; empty for the text itself.
        note: What is there in plain words; for hidden text the text itself.
    """

    kind: FlagKind
    start: int = Field(ge=0)
    end: int = Field(ge=0)
    field: str = ""
    note: str


# --- words aimed at a model -----------------------------------------------------------------------------------------

_EN_WHAT = r"(?:instructions?|prompts?|directions|commands?|guidelines|system (?:prompt|message))"
_EN_WHICH = r"(?:previous|prior|above|preceding|earlier|foregoing|original|initial|system|these|those)"
_INSTRUCTIONS = [
    # The classic, with up to a few words between its parts.
    rf"\b(?:ignore|disregard|forget|override|bypass|do not follow|don'?t follow)\s+(?:(?:all|any|of|the|every|your|my)\s+){{0,3}}{_EN_WHICH}\s+(?:\w+\s+){{0,2}}{_EN_WHAT}\b",
    rf"\b(?:ignore|disregard|forget|override)\s+(?:all\s+)?(?:(?:of\s+)?(?:the|your)\s+)?{_EN_WHAT}\s+(?:above|before|you (?:were|have been|got)|so far)\b",
    r"\b(?:ignore|disregard|forget) (?:everything|all|anything) (?:you were told|you have been told|written above|said above|above this|before this line)\b",
    r"\bignore the (?:instructions|guidelines|definitions)\b",
    r"\bnew (?:system )?instructions?\s*:",
    r"\b(?:system prompt|system message)\s*[:=]",
    r"\b(?:reveal|print|repeat|output|show|leak)\s+(?:me\s+)?(?:your|the)\s+(?:system|hidden|initial)\s+(?:prompt|instructions?|message)\b",
    r"\byou are (?:now|no longer) (?:an? )?(?:\w+ )?(?:ai|assistant|chatbot|classifier|language model|llm|dan)\b",
    r"\b(?:note|message|attention|instructions?|warning)\s+(?:to|for)\s+(?:the\s+)?(?:ai|llm|language model|classifier|annotator model|labell?er|assistant|model)\b\s*[:,.!-]",
    r"\b(?:label|classify|mark|tag|annotate|categori[sz]e)\s+(?:this|the(?: following| above| current)?|my|every|all)\s+(?:text|review|message|document|comment|item|example|input|tweet|post|sentence|article|one|texts|reviews)?\s*(?:below |above )?as\s+[\"'“‘]?\w+",
    r"\b(?:the |your )?(?:correct|right|only|final|true|expected) (?:label|answer|class|classification|output) (?:is|must be|should be)\s*:?\s*[\"'“‘]?\w+",
    r"\b(?:respond|reply|answer|output) (?:only|just|exactly|always)?\s*with (?:only |just |exactly )?(?:the (?:word|label|json|string|text) |\{|[\"“'])",
    r"\bignoriere?n?\s+(?:sie\s+)?(?:bitte\s+)?(?:alle\s+)?(?:die\s+)?(?:vorherigen|bisherigen|obigen|vorigen|vorangehenden|früheren)\s+(?:anweisungen|instruktionen|befehle|vorgaben)",
    r"\b(?:markiere|klassifiziere|bewerte|kennzeichne)\s+(?:diesen?|dieses|diese)\s+\w+\s+als\s+\w+",
    r"\b(?:ignore[zr]?|oublie[zr]?)\s+(?:toutes\s+)?(?:les|vos|tes)\s+(?:instructions|consignes)\s+(?:précédentes|ci-dessus|antérieures)",
    r"\b(?:classe[zr]?|étiquete[zr]?|étiquette)\s+(?:ce|cet|cette)\s+\w+\s+comme\s+\w+",
    r"\b(?:ignora|ignore|ignorad|olvida|olvide)\s+(?:todas\s+)?(?:las|tus|sus)\s+(?:instrucciones|indicaciones|órdenes)\s+(?:anteriores|previas|de arriba)",
    r"\b(?:clasifica|clasifique|etiqueta|etiquete|marca|marque)\s+(?:este|esta|esto)\s+(?:\w+\s+)?como\s+\w+",
    r"\b(?:ignora|dimentica)\s+(?:tutte\s+)?(?:le|tue)\s+istruzioni\s+(?:precedenti|di cui sopra|sopra)",
    r"\b(?:ignore|ignora|esqueça)\s+(?:todas\s+)?(?:as|suas)\s+instruções\s+(?:anteriores|acima|prévias)",
    r"\bnegeer\s+(?:alle\s+)?(?:de\s+)?(?:vorige|voorgaande|bovenstaande|eerdere)\s+(?:instructies|opdrachten)",
    r"\b(?:zignoruj|ignoruj)\s+(?:wszystkie\s+)?(?:poprzednie|powyższe|wcześniejsze)\s+(?:instrukcje|polecenia)",
    r"\bигнорируй(?:те)?\s+(?:все\s+)?(?:предыдущие|прежние|вышеуказанные)\s+(?:инструкции|указания|команды)",
    r"\b(?:пометь|классифицируй|отметь)(?:те)?\s+этот\s+\w+\s+как\s+\w+",
    r"\bönceki\s+(?:tüm\s+)?(?:talimatları|yönergeleri)\s+(?:yok say|görmezden gel|unut)",
    r"(?:忽略|无视|無視)(?:所有|全部|之前|以上|上述|先前|前面|的|一切){1,4}(?:指令|指示|提示|命令|说明)",
    r"(?:以前|上記|前|これまで)の(?:すべての|全ての)?(?:指示|命令|プロンプト)(?:を|は)(?:すべて|全て)?(?:無視|忘れ)",
    r"(?:이전|위의|앞의)\s*(?:모든\s*)?(?:지시|명령|지침)(?:사항)?(?:을|를|은|는)?\s*(?:모두\s*)?무시",
    r"تجاهل\s+(?:جميع\s+|كل\s+)?(?:التعليمات|الأوامر|الإرشادات)\s+(?:السابقة|أعلاه)",
    r"(?:पिछले|उपरोक्त)\s+(?:सभी\s+)?(?:निर्देशों|आदेशों)\s+(?:को|की)\s+(?:अनदेखा|नज़रअंदाज़|उपेक्षा)",
]  # fmt: skip
_ROLE_MARKS = [
    r"<\|[a-z_]{2,30}\|>",  # <|im_start|>, <|system|>, <|eot_id|>
    r"<｜[^｜\n]{2,30}｜>",
    r"\[/?INST\]|<<?/?SYS>>?",
    r"</?\s*(?:text|fields)(?:-\d+)?\s*>",  # our own fence
    r"</?(?:system|assistant|instructions?|system_prompt)\s*>",
    r"<(?:start|end)_of_turn>",
    r"^[ \t]*(?:#{1,4}[ \t]*)?(?:system|assistant)[ \t]*:(?=[ \t]*\S)",
    r"^[ \t]*#{2,4}[ \t]*(?:instructions?|response|system(?: prompt)?)[ \t]*:?[ \t]*$",
    r"^[ \t]*(?:\{[ \t]*)?\"role\"[ \t]*:[ \t]*\"(?:system|assistant|developer)\"",
]
_WORDS = [re.compile(each, re.IGNORECASE) for each in _INSTRUCTIONS]
_MARKS = re.compile("|".join(f"(?:{each})" for each in _ROLE_MARKS), re.IGNORECASE | re.MULTILINE)
_ROLE_LINE = re.compile(r"(?:system|assistant)[ \t]*:", re.IGNORECASE)
# A pattern of words is only searched where one of these parts of its words occurs: looking for a plain string is a
# hundred times cheaper than a regular expression.
_HINTS: list[tuple[str, ...]] = [
    ("instruction", "prompt", "direction", "command", "guideline", "system"),
    ("instruction", "prompt", "direction", "command", "guideline", "system"),
    (" you were told", " you have been", "written above", "said above", "above this", "before this line"),
    ("ignore the",), ("new instruction", "new system"), ("system prompt", "system message"),
    ("system", "hidden ", "initial "), ("you are n",), (" ai", " llm", "language model", "classifier", "labeler", "labeller", "model", "assistant"),
    (" as ",), ("label ", "answer ", "class ", "classification ", "output "), (" with ",),
    ("ignorier",), (" als ",), ("instructions", "consignes"), (" comme ",), ("instrucciones", "indicaciones", "órdenes"),
    (" como ",), ("istruzioni",), ("instruções",), ("negeer",), ("ignoruj",), ("игнорируй",), (" как ",), ("talimat", "yönerge"),
    ("忽略", "无视", "無視"), ("無視", "忘れ"), ("무시",), ("تجاهل",), ("निर्देश", "आदेश"),
]  # fmt: skip
assert len(_HINTS) == len(_WORDS)

# --- characters nobody sees -----------------------------------------------------------------------------------------

_NAMES = {
    0x00AD: "soft hyphen", 0x034F: "grapheme joiner", 0x061C: "Arabic letter mark", 0x115F: "Hangul filler",
    0x1160: "Hangul filler", 0x180E: "Mongolian vowel separator", 0x200B: "zero width space",
    0x200C: "zero width non-joiner", 0x200D: "zero width joiner", 0x200E: "left-to-right mark",
    0x200F: "right-to-left mark", 0x202A: "direction embedding", 0x202B: "direction embedding",
    0x202C: "direction end", 0x202D: "direction override", 0x202E: "direction override", 0x2060: "word joiner",
    0x2066: "direction isolate", 0x2067: "direction isolate", 0x2068: "direction isolate", 0x2069: "direction end",
    0x3164: "Hangul filler", 0xFEFF: "zero width no-break space", 0xFFA0: "Hangul filler",
}  # fmt: skip
_UNSEEN = (
    "\u00ad\u034f\u061c\u115f\u1160\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff9-\ufffb\x00-\x08\x0b\x0e-\x1f\x7f\U000e0000-\U000e01ef"
)
_RUN = re.compile(f"[{_UNSEEN}]+")
_ANY_UNSEEN = re.compile(f"[{_UNSEEN}]")
_BULK = 3
"""From so many soft hyphens in one word on they hide it rather than hyphenate it."""
_HARMLESS_RUN = 3
"""Honest texts have at most so many unseen characters in a row (a variant, a joiner, a direction mark)."""
_EMOJI_FLAG = re.compile("\U0001f3f4[\U000e0061-\U000e007a\U000e0030-\U000e0039]{1,6}\U000e007f")

# Cyrillic and Greek letters that look like Latin ones.
_LOOK_ALIKES = "аеорсухіјѕԁһԛԝАВЕКМНОРСТУХІЈЅΑΒΕΖΗΙΚΜΝΟΡΤΥΧο"
_MIXED = re.compile(
    rf"(?<!\w)(?=[a-z{_LOOK_ALIKES}]*[a-z])(?=[a-z]*[{_LOOK_ALIKES}])[a-z{_LOOK_ALIKES}]{{4,}}(?!\w)",
    re.IGNORECASE,
)
_ANY_LOOK_ALIKE = re.compile(f"[{_LOOK_ALIKES}]")
_LATIN = re.compile("[A-Za-z]")


def find(text: str) -> list[Flag]:
    """Every place of a text that deserves a look, in text order per kind; an empty list for most texts."""
    if len(text) <= 2 * LOOKED_AT:
        return _find(text)
    head, tail = text[:LOOKED_AT], text[-LOOKED_AT:]
    shift = len(text) - LOOKED_AT
    moved = [
        flag.model_copy(update={"start": flag.start + shift, "end": flag.end + shift}) for flag in _find(tail)
    ]
    return _find(head) + moved


def find_all(text: str, fields: Mapping[str, object]) -> list[Flag]:
    """Places in the text and in the values of its metadata, which a prompt may show too."""
    found = find(text)
    for name, value in fields.items():
        if isinstance(value, str):
            found += [flag.model_copy(update={"field": name}) for flag in find(value)]
    return found


def kinds_of(flags: Iterable[Flag]) -> tuple[FlagKind, ...]:
    """The kinds that occur, in a fixed order."""
    seen = {flag.kind for flag in flags}
    return tuple(kind for kind in KINDS if kind in seen)


def mask_of(kinds: Iterable[FlagKind]) -> int:
    """Kinds as one number, a bit each, which is how they are stored."""
    return sum(1 << KINDS.index(kind) for kind in set(kinds))


def kinds_in(mask: int) -> tuple[FlagKind, ...]:
    """The inverse of `mask_of`."""
    return tuple(kind for i, kind in enumerate(KINDS) if mask >> i & 1)


def plain(text: str) -> str:
    """The text as a careless reader takes it: no invisible characters, compatibility forms folded."""
    return unicodedata.normalize("NFKC", _ANY_UNSEEN.sub("", text)) if not text.isascii() else text


def _find(text: str) -> list[Flag]:
    found: list[Flag] = []
    found += _limited(_words(text))
    if "<" in text or "[" in text or "#" in text or "role" in text or _ROLE_LINE.search(text) is not None:
        found += _limited(_matches("role_marks", _MARKS, text))
    if text.isascii() and text.isprintable():
        return found
    hidden = list(_limited(_invisible(text)))
    found += hidden
    if _ANY_LOOK_ALIKE.search(text) is not None and _LATIN.search(text) is not None:
        found += _limited(_matches("mixed_scripts", _MIXED, text))
    if not any(flag.kind in ("instructions", "role_marks") for flag in found):
        found += _disguised(text, hidden)
    return found


def _limited(flags: Iterable[Flag]) -> Iterator[Flag]:
    for n, flag in enumerate(flags):
        if n >= MOST_PLACES:
            return
        yield flag


def _words(text: str) -> Iterator[Flag]:
    lower = text.lower()
    for hints, pattern in zip(_HINTS, _WORDS, strict=True):
        if any(hint in lower for hint in hints):
            yield from _matches("instructions", pattern, text)


def _matches(kind: FlagKind, pattern: re.Pattern[str], text: str) -> Iterator[Flag]:
    for match in pattern.finditer(text):
        start = match.start() + len(match[0]) - len(match[0].lstrip())
        yield Flag(kind=kind, start=start, end=match.end(), note=" ".join(match[0].split())[:120])


def _disguised(text: str, hidden: list[Flag]) -> Iterator[Flag]:
    """Words that only read as instructions once hidden characters are dropped and wide or fancy letters are folded."""
    folded = plain(text)
    if folded == text:
        return
    # Folding moves offsets: the stretch that hides something is pointed at, or the whole text.
    start, end = (hidden[0].start, hidden[-1].end) if hidden else (0, len(text))
    for each in (*_words(folded), *_matches("role_marks", _MARKS, folded)):
        yield each.model_copy(update={"start": start, "end": end})
        return


def _invisible(text: str) -> Iterator[Flag]:
    emoji_flags = [match.span() for match in _EMOJI_FLAG.finditer(text)]
    soft = _soft_hyphens(text)
    for match in _RUN.finditer(text):
        start, end = match.span()
        if any(low <= start and end <= high for low, high in emoji_flags):
            continue
        run = match[0]
        if run == "\u00ad":
            if start not in soft:
                continue
        elif len(run) <= _HARMLESS_RUN and all(_is_fine(text, c, start, end) for c in run):
            continue
        yield Flag(kind="invisible", start=start, end=end, note=_note(run))


def _soft_hyphens(text: str) -> set[int]:
    """Places of soft hyphens in words that have too many of them."""
    if "\u00ad" not in text:
        return set()
    found: set[int] = set()
    for word in re.finditer(r"\S*\u00ad\S*", text):
        places = [word.start() + i for i, c in enumerate(word[0]) if c == "\u00ad"]
        # A long compound has several; two per three letters has none that is honest.
        if len(places) >= _BULK and len(word[0]) < 4 * len(places):
            found.update(places)
    return found


def _is_fine(text: str, unseen: str, start: int, end: int) -> bool:
    """Whether an unseen character, of the run from `start` to `end`, is where honest texts have it."""
    c, before, after = ord(unseen), text[start - 1 : start] if start else "", text[end : end + 1]
    if 0xFE00 <= c <= 0xFE0F or 0xE0100 <= c <= 0xE01EF:
        return True  # one variant of an emoji or an ideograph, or what is left where an emoji was taken out
    if c in (0x200E, 0x200F, 0x061C):
        return True  # left over by copying from a page; a mark alone moves no letter
    if c in (0x202A, 0x202B, 0x202C, *range(0x2066, 0x206A)):
        return _is_two_way(text)
    if c in (0x200C, 0x200D, 0x034F):  # joins emoji, and letters of scripts that join
        return not before.isascii() or not after.isascii()
    if c in (
        0x200B,
        0x2060,
        0xFEFF,
    ):  # lets a line break, or forbids it; inside a Latin word it only hides the word
        return not (before.isascii() and before.isalnum() and after.isascii() and after.isalnum())
    return False


def _is_two_way(text: str) -> bool:
    """Whether a text has letters that are written from right to left, which direction marks belong to."""
    return any("\u0590" <= c <= "\u08ff" or "\ufb1d" <= c <= "\ufefc" for c in text[:20_000])


def _note(run: str) -> str:
    tags = "".join(chr(ord(c) - 0xE0000) for c in run if 0xE0020 <= ord(c) <= 0xE007E)
    if tags:
        return f"hidden text: {tags[:200]}"
    first = ord(run[0])
    name = _NAMES.get(first)
    if name is None:
        name = "variation selector" if 0xFE00 <= first <= 0xFE0F or first >= 0xE0100 else "control character"
    return f"{name} U+{first:04X}" + (f" and {len(run) - 1} more" if len(run) > 1 else "")
