"""The index of entities: names, aliases and misspellings are found; texts offer what stands in them."""

from hypothesis import given
from hypothesis import strategies as st

from labelwright.core.knowledge import MAX_IN_TEXT, Entity, Knowledge, spelled

LIST = Knowledge(
    [
        Entity(id="Q64", name="Berlin", aliases=("Berlin, Germany", "Spree-Athen")),
        Entity(id="Q1055", name="Hamburg"),
        Entity(id="Q90", name="Paris"),
        Entity(id="Q167646", name="Paris", description="son of Priam"),
        Entity(id="Q1726", name="München", aliases=("Munich", "Muenchen")),
        Entity(id="Q7", name="It"),
    ]
)


def ids(words: str, k: int = 3) -> list[str]:
    return [each.entity.id for each in LIST.search(words, k)]


def test_a_name_an_alias_a_beginning_and_a_misspelling_are_found() -> None:
    assert ids("berlin")[0] == ids("BERLIN (Germany)")[0] == ids("Spree Athen")[0] == "Q64"
    assert ids("munchen")[0] == "Q1726"
    assert ids("ham")[0] == "Q1055"
    assert ids("Hambrug")[0] == "Q1055"
    assert ids("Paris")[:2] == ["Q90", "Q167646"]
    assert ids("") == ids("!?") == []


def test_a_text_offers_what_stands_in_it_in_its_order() -> None:
    text = "From Munich to Paris, not Hambourg. it is."
    assert [e.id for e in LIST.in_text(text)] == ["Q1726", "Q90", "Q167646", "Q1055"]


@given(st.text(max_size=200), st.integers(1, 20))
def test_any_words_give_at_most_k_with_falling_scores(words: str, k: int) -> None:
    found = LIST.search(words, k)
    assert len(found) <= k
    assert [c.score for c in found] == sorted((c.score for c in found), reverse=True)
    assert all(0.0 <= c.score <= 1.0 for c in found)
    assert len({c.entity.id for c in found}) == len(found)
    assert len(LIST.in_text(words)) <= MAX_IN_TEXT


@given(st.lists(st.text(min_size=1, max_size=12).filter(spelled), min_size=1, max_size=8))
def test_every_entity_is_found_by_its_own_name(names: list[str]) -> None:
    entities = [Entity(id=str(n), name=f"x{name}") for n, name in enumerate(names)]
    index = Knowledge(entities)
    for entity in entities:
        assert entity.id in [c.entity.id for c in index.search(entity.name, len(entities)) if c.score == 1.0]
