"""Laws of the status function and of access."""

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from labelwright.core.access import ALLOWED, may
from labelwright.core.workflow import WAYS_ON, Facts, is_open, status, waits_for

people = st.frozensets(st.integers(1, 5), max_size=4)
facts = st.builds(
    Facts, predicted=st.booleans(), authors=people, skippers=people, people_wanted=st.integers(1, 4)
)


@given(facts)
def test_every_reachable_status_has_a_way_on(found: Facts) -> None:
    assert WAYS_ON[status(found)]


@given(facts, st.integers(6, 9))
def test_a_new_person_can_work_on_anything_open(found: Facts, person: int) -> None:
    assert waits_for(person, found) == is_open(status(found))


@given(facts, st.integers(1, 5))
def test_one_more_answer_never_reopens_an_asset(found: Facts, person: int) -> None:
    more = found.model_copy(update={"authors": found.authors | {person}})
    assert is_open(status(found)) or not is_open(status(more))


def test_status_does_not_depend_on_the_order_of_facts() -> None:
    changes: list[dict[str, object]] = [
        {"predicted": True},
        {"authors": frozenset({1})},
        {"skippers": frozenset({2})},
    ]
    outcomes = set()
    for order in permutations(changes):
        found = Facts(people_wanted=2)
        for change in order:
            found = found.model_copy(update=change)
        outcomes.add(status(found))
    assert outcomes == {"in_progress"}


def test_manager_may_all_a_reviewer_may_and_a_reviewer_all_an_annotator_may() -> None:
    assert ALLOWED["manager"] > ALLOWED["reviewer"] > ALLOWED["annotator"]
    assert not may(None, "see_project")
    assert may(None, "delete_project", is_admin=True)
    assert not ALLOWED["viewer"] & {"label", "import", "edit_ontology", "run_models"}
