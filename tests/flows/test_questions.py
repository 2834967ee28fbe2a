"""Questions as people write them, short forms included; hostile bodies are refused with places, never with a crash."""

from contextlib import suppress

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from labelwright.core.errors import Invalid
from labelwright.core.ontology import Attribute, RegionQuestion, Skeleton
from labelwright.flows.questions import parse_ontology

SHORT = """
guideline: Street scenes.
questions:
  - kind: region
    name: Objects
    shapes: boxes, Polygons
    attributes:
      occluded: boolean
      weather: [sun, rain]
    labels:
      - Car
      - name: Bus
        attributes:
          - lines: [1, 2]
          - doors: {type: integer, minimum: 0}
          - occluded: [yes, no]
          - wheelchair
      - name: Person
        definition: Not on a bus.
        skeleton:
          points: [nose, left eye, right eye]
          edges: [nose - left eye, [nose, right eye], [1, 2]]
"""


def test_short_forms_of_a_region_question() -> None:
    ontology = parse_ontology(yaml.safe_load(SHORT))
    (question,) = ontology.questions
    assert isinstance(question, RegionQuestion)
    assert question.shapes == ("box", "polygon")
    car, bus, person = question.labels
    assert car.attributes == (
        Attribute(id="occluded", name="occluded", type="boolean"),
        Attribute(id="weather", name="weather", options=("sun", "rain")),
    )
    assert [(a.name, a.type, a.options) for a in bus.attributes] == [
        ("lines", "choice", ("1", "2")),
        ("doors", "integer", ()),
        ("occluded", "choice", ("yes", "no")),
        ("wheelchair", "boolean", ()),
        ("weather", "choice", ("sun", "rain")),
    ]
    assert person.skeleton == Skeleton(
        points=("nose", "left eye", "right eye"), edges=((0, 1), (0, 2), (1, 2))
    )
    # What was read reads the same again.
    assert parse_ontology(ontology.model_dump(mode="json")) == ontology


@pytest.mark.parametrize(
    ("part", "where"),
    [
        ({"shapes": "circle"}, "shapes"),
        ({"attributes": {"colour": []}}, "attributes"),
        ({"labels": [{"name": "A", "attributes": "big"}]}, "attributes"),
        ({"labels": [{"name": "A", "skeleton": {"points": ["a"], "edges": [["a", "b"]]}}]}, "skeleton"),
        ({"labels": [{"name": "A", "skeleton": ["a", "a"]}]}, "skeleton"),
    ],
)
def test_what_is_wrong_is_said_at_its_place(part: dict[str, object], where: str) -> None:
    body = {"questions": [{"kind": "region", "name": "Objects", "labels": ["A"]} | part]}
    with pytest.raises(Invalid) as refused:
        parse_ontology(body)
    assert any(where in problem.where for problem in refused.value.problems)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "type", "options", "points", "edges", "a"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


@given(_JSON, _JSON, _JSON)
def test_any_region_question_is_read_or_refused(shapes: object, attributes: object, skeleton: object) -> None:
    label = {"name": "A", "attributes": attributes, "skeleton": skeleton}
    question = {
        "kind": "region",
        "name": "Q",
        "shapes": shapes,
        "attributes": attributes,
        "labels": [label, skeleton],
    }
    with suppress(Invalid):
        parse_ontology({"questions": [question]})
