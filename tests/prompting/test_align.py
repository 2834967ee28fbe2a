"""Where quoted mentions stand: thirteen kinds of trouble, each over many generated texts with known places."""

import random
import unicodedata
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelwright.prompting.align import Found, Mention, TextIndex, align
from tests.prompting.made import TEXTS

NAMES = [
    "Anna Bergström", "Northwind Traders", "Lake Geneva", "Ann", "Bo Li", "São Paulo", "the Treaty of Rome", "ACME",
    "O'Neill", "vitamin D", "Jean-Luc Petit", "Rio", "Grand Central Station", "Marie Curie", "AT&T", "Oslo", "interleukin-6",
]  # fmt: skip
FILLER = [
    "yesterday",
    "while",
    "nobody",
    "looked",
    "a",
    "long",
    "report",
    "about",
    "weather",
    "trade",
    "music",
    "and",
    "gardens",
    "was",
    "read",
    "aloud",
    "in",
    "small",
    "halls",
    "by",
    "annual",
    "visitors",
    "who",
    "came",
    "from",
    "many",
    "places",
    "to",
    "hear",
    "it",
    "again",
    "after",
    "supper",
    "before",
    "going",
    "home",
]
JAPANESE = ["東京タワー", "田中太郎", "京都大学", "日本銀行"]
JAPANESE_FILLER = ["は昨日", "について", "を訪れた。", "そして", "で会議が", "開かれた。"]

Case = tuple[str, list[tuple[str, int, int]]]
"""A text and its mentions: quote as the model gives it, true start and end."""


def woven(
    rng: random.Random, names: list[str], filler: list[str] = FILLER, glue: str = " ", opening: str = ""
) -> Case:
    text, places = opening, []
    for name in names:
        text += glue.join(rng.choices(filler, k=rng.randint(2, 7))) + glue
        places.append((name, len(text), len(text) + len(name)))
        text += name + glue
    return text + glue.join(rng.choices(filler, k=3)), places


def said(case: Case, change: Callable[[str], str]) -> Case:
    return case[0], [(change(quote), start, end) for quote, start, end in case[1]]


def repeated(rng: random.Random) -> Case:
    name = rng.choice(NAMES)
    return woven(rng, [name, rng.choice(NAMES), name, name])


def shuffled(rng: random.Random) -> Case:
    text, places = repeated(rng)
    rng.shuffle(places)
    return text, places


def broken_white_space(rng: random.Random) -> Case:
    """The text has line breaks and no-break spaces where the model writes a space."""
    names = [name for name in rng.sample(NAMES, 6) if " " in name] or ["Marie Curie"]
    gap = rng.choice(["\n", "\u00a0", "  ", " \n  ", "\t"])
    text, places = woven(rng, [name.replace(" ", gap) for name in names])
    return text, [(name.replace(gap, " "), start, end) for name, start, end in places]


def typographic(rng: random.Random) -> Case:
    text, places = woven(
        rng, ["O’Neill", "Jean–Luc Petit", "“Blue” Room", "interleukin‑6", rng.choice(NAMES)]
    )
    plain = str.maketrans("’–“”‑", '\'-""-')
    return text, [(quote.translate(plain), start, end) for quote, start, end in places]


def composed(rng: random.Random) -> Case:
    """Ligatures, combining marks and full-width letters in the text; plain letters in the quote."""
    raw = [
        "ﬁnal oﬀer",
        unicodedata.normalize("NFD", "São Paulo"),
        "ＡＣＭＥ",
        unicodedata.normalize("NFD", "Bergström"),
    ]
    text, places = woven(rng, rng.sample(raw, 3))
    return text, [(unicodedata.normalize("NFKC", quote), start, end) for quote, start, end in places]


def substring_trap(rng: random.Random) -> Case:
    """`Ann` after `Annual`, `Rio` after `Riots`, `Oslo` after `Oslovian`."""
    name, trap = rng.choice([("Ann", "Annual"), ("Rio", "Riots"), ("Oslo", "Oslovian"), ("art", "party")])
    text, places = woven(rng, [name], opening=f"{trap} matters and {trap.lower()} things ")
    return text, places


def final_punctuation(rng: random.Random) -> Case:
    """The model adds a full stop or quotes, or leaves out inner dots."""
    text, places = woven(rng, [*rng.sample([n for n in NAMES if len(n) > 3], 2), "U.N.E.S.C.O"])
    ways = [lambda q: f"{q}.", lambda q: f'"{q}"', lambda q: q.replace(".", ""), lambda q: f"({q})"]
    way = rng.choice(ways)
    return said((text, places), way)


def dotted_capital(rng: random.Random) -> Case:
    """`İ` becomes two characters in lower case, which shifts naive offsets."""
    text, places = woven(rng, rng.sample(NAMES, 2), opening="İİİ İstanbul İzmir ")
    return said((text, places), str.upper)


def cjk(rng: random.Random) -> Case:
    return woven(rng, rng.sample(JAPANESE, 3), JAPANESE_FILLER, "")


def emoji(rng: random.Random) -> Case:
    return woven(rng, rng.sample(NAMES, 3), [*FILLER, "😀", "👩‍👩‍👧", "🇫🇷"], opening="😀👍🏽 ")


def typo(rng: random.Random) -> Case:
    """One letter left out, doubled or exchanged."""
    long = [
        "Northwind Traders",
        "Grand Central Station",
        "Jean-Luc Petit",
        "the Treaty of Rome",
        "Marie Curie",
    ]

    def slip(quote: str) -> str:
        at = rng.randrange(2, len(quote) - 2)
        return rng.choice(
            [
                quote[:at] + quote[at + 1 :],
                quote[:at] + quote[at] + quote[at:],
                quote[:at] + "x" + quote[at + 1 :],
            ]
        )

    return said(woven(rng, rng.sample(long, 2)), slip)


def context(rng: random.Random) -> Case:
    return repeated(rng)


CATEGORIES: dict[str, tuple[Callable[[random.Random], Case], float]] = {
    "exact": (lambda rng: woven(rng, rng.sample(NAMES, 4)), 1.0),
    "repeated": (repeated, 1.0),
    "shuffled order": (shuffled, 1.0),
    "case changed": (lambda rng: said(woven(rng, rng.sample(NAMES, 3)), str.swapcase), 1.0),
    "white space": (broken_white_space, 1.0),
    "typographic signs": (typographic, 1.0),
    "ligatures, combining marks, full width": (composed, 1.0),
    "substring trap": (substring_trap, 1.0),
    "final punctuation": (final_punctuation, 0.95),
    "İ earlier": (dotted_capital, 1.0),
    "CJK": (cjk, 1.0),
    "emoji earlier": (emoji, 1.0),
    "one-letter slip": (typo, 0.85),
}


def placed(case: Case) -> tuple[int, int]:
    """(mentions at their true place, mentions). Mentions of the same words may exchange places."""
    text, places = case
    found = align(TextIndex(text), [Mention(quote) for quote, _, _ in places])
    got = [(place.start, place.end) for place in found if isinstance(place, Found)]
    true = [(start, end) for _, start, end in places]
    return sum(place in got for place in true), len(true)


@pytest.mark.parametrize("category", CATEGORIES)
def test_stress(category: str) -> None:
    make, wanted = CATEGORIES[category]
    right = total = 0
    for seed in range(200):
        hits, mentions = placed(make(random.Random(f"{category} {seed}")))
        right, total = right + hits, total + mentions
    assert right >= wanted * total, f"{right} of {total}"


HALLUCINATED = [
    "Peter Novak", "Southwind Makers", "Lake Constance", "Barack Obama", "Tokyo", "vitamin K2", "the Treaty of Nice",
    "interleukin-8", "AC/DC", "Marie Stopes", "Grand Union Canal", "Bo Xi", "Annette", "Oslovian", "Rionegro", "大阪城", "x",
    "Jean-Paul Sartre", "O'Brien", "", " ", "...", "entirely different words that do not occur here",
]  # fmt: skip


def test_no_invented_mention_is_accepted() -> None:
    accepted = []
    for seed in range(200):
        rng = random.Random(f"invented {seed}")
        text, _ = woven(rng, rng.sample(NAMES, 6) + rng.sample(JAPANESE, 1))
        for quote in rng.sample(HALLUCINATED, 5):
            (place,) = align(TextIndex(text), [Mention(quote)])
            if isinstance(place, Found) and quote.strip():
                accepted.append((quote, text[place.start : place.end]))
    assert accepted == []


@pytest.mark.parametrize(
    ("text", "mentions", "places"),
    [
        ("York and New York", ["York", "New York"], [(0, 4), (9, 17)]),
        ("New York and York", ["York", "New York"], [(13, 17), (0, 8)]),
        ("apple Apple", ["Apple"], [(6, 11)]),
        ("apple Apple", ["apple", "apple"], [(0, 5), (6, 11)]),
        ("in 2018 and 2019", ["2017"], ["not_found"]),
        ("The Annual Report", ["Ann"], ["not_found"]),
        ("volcanoes", ["volcano"], [(0, 9)]),
        ("South Korea", ["North Korea"], ["not_found"]),
        ("one Bob", ["Bob", "Bob"], [(4, 7), "repeated_mention"]),
        ("Straße", ["STRASSE"], [(0, 6)]),
        ("a 5mg dose", ["mg"], [(3, 5)]),
        ("x\u200by", ["xy"], [(0, 3)]),
    ],
)
def test_particular_cases(text: str, mentions: list[str], places: list[object]) -> None:
    found = align(TextIndex(text), [Mention(quote) for quote in mentions])
    assert [(p.start, p.end) if isinstance(p, Found) else p for p in found] == places


def test_context_chooses_among_repeated_mentions() -> None:
    text = "Bob left. Then Bob came back. Later Bob slept."
    (place,) = align(TextIndex(text), [Mention("Bob", before="Later", after="slept")])
    assert isinstance(place, Found) and place.start == 36
    (place,) = align(TextIndex(text), [Mention("Bob", after="  CAME back")])
    assert isinstance(place, Found) and place.start == 15


def test_a_word_listed_once_belongs_between_its_neighbours() -> None:
    text = "soil samples from Oslo: density of soil near Rome"
    found = align(TextIndex(text), [Mention("Oslo"), Mention("soil"), Mention("Rome")])
    assert [p.start for p in found if isinstance(p, Found)] == [18, 35, 45]


def test_without_overlap_no_two_places_touch_the_same_characters() -> None:
    text = "New York City"
    found = align(TextIndex(text), [Mention("New York", "a"), Mention("York City", "a")])
    assert [isinstance(p, Found) for p in found].count(True) == 1
    assert "spans_overlap" in found
    found = align(TextIndex(text), [Mention("New York", "a"), Mention("York City", "a")], overlap=True)
    assert all(isinstance(p, Found) for p in found)


@settings(deadline=None, max_examples=200)
@given(TEXTS, st.lists(st.text(max_size=8), max_size=6), st.booleans())
def test_places_lie_in_the_text_and_are_never_given_twice(
    text: str, quotes: list[str], overlap: bool
) -> None:
    found = [
        p
        for p in align(TextIndex(text), [Mention(q, "a") for q in quotes], overlap=overlap)
        if isinstance(p, Found)
    ]
    assert all(0 <= p.start < p.end <= len(text) for p in found)
    assert len({(p.start, p.end) for p in found}) == len(found)
    if not overlap:
        ordered = sorted(found, key=lambda p: p.start)
        assert all(a.end <= b.start for a, b in pairwise(ordered))


@pytest.mark.timeout(30)
def test_a_long_text_with_many_mentions_is_done_soon() -> None:
    rng = random.Random(5)
    text, places = woven(rng, rng.choices(NAMES, k=2_000))
    assert len(text) > 60_000
    quotes = [*(quote for quote, _, _ in places), *(f"Invented Person {i}" for i in range(100))]
    found = align(TextIndex(text), [Mention(quote) for quote in quotes])
    assert all(isinstance(place, Found) for place in found[: len(places)])
    assert not any(isinstance(place, Found) for place in found[len(places) :])
    many = align(TextIndex("ab " * 30_000), [Mention("ab")] * 3_000)
    assert all(isinstance(place, Found) for place in many)
