"""Reads questions as people write them: in a file, in a request, on the command line.

Hides the short forms: ids made from names, labels and attributes given by their names alone, skeletons as lists of names,
references by name.
"""

import re
from typing import Any, get_args

from pydantic import ValidationError

from labelwright.core.errors import Invalid
from labelwright.core.ontology import MAX_DEPTH, Ontology
from labelwright.core.problem import Problem
from labelwright.core.shape import ShapeKind

_SHAPES: dict[str, str] = {
    "bbox": "box",
    "bboxe": "box",
    "bounding_box": "box",
    "bounding_boxe": "box",
    "boxe": "box",
    "key_point": "points",
    "keypoint": "points",
    "line": "polyline",
    "rotated_boxe": "rotated_box",
} | {kind.removesuffix("s"): kind for kind in get_args(ShapeKind)}
"""What people call the kinds of shapes, without the last `s`."""


def _slug(name: str, taken: set[str]) -> str:
    """A stable id made from a name."""
    base = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_").lower()[:48] or "x"
    found, n = base, 2
    while found in taken:
        found, n = f"{base}_{n}", n + 1
    return found


def parse_ontology(body: dict[str, Any]) -> Ontology:
    """An ontology from a request, with missing ids made from names.

    Nested labels may be given as `children` of the label they stand under. What a relation or a condition refers to
    may be named by id or by name. Of regions, `shapes` may be one name; attributes (of a label, or of the question and so
    of each of its labels) may be given as `name: [options]` or `name: boolean`; a skeleton as the list of its points, its
    edges as pairs of names or as `nose - left eye`.

    Raises:
        Invalid: It is not well formed; each problem says where.
    """
    questions = body.get("questions")
    if isinstance(questions, list):
        questions = [dict(each) if isinstance(each, dict) else each for each in questions]
        _fill_ids(questions)
        for question in questions:
            labels = question.get("labels") if isinstance(question, dict) else None
            if isinstance(labels, list):
                taken = _ids_below(labels)
                question["labels"] = _flattened(labels, None, taken, 0)
            if isinstance(question, dict) and question.get("kind") == "region":
                _read_region(question)
        for question in questions:
            if isinstance(question, dict):
                _resolve_references(question, questions)
        body = body | {"questions": questions}
    try:
        return Ontology.model_validate(body)
    except ValidationError as error:
        problems = [
            Problem(
                where="ontology/" + "/".join(map(str, each["loc"])), code=each["type"], message=each["msg"]
            )
            for each in error.errors()
        ]
        raise Invalid("bad_ontology", "the ontology is not well formed", problems=problems) from error


def _ids_below(labels: list[Any]) -> set[str]:
    """Ids that labels have already, at any depth."""
    found: set[str] = set()
    open_ = list(labels)
    while open_:
        each = open_.pop()
        if isinstance(each, dict):
            found |= {each["id"]} if isinstance(each.get("id"), str) else set()
            open_ += each["children"] if isinstance(each.get("children"), list) else []
    return found


def _flattened(labels: list[Any], parent: str | None, taken: set[str], depth: int) -> list[Any]:
    """Labels in order, those under another after it; a plain text is a name."""
    flat: list[Any] = []
    for each in labels:
        label = {"name": each} if isinstance(each, str) else dict(each) if isinstance(each, dict) else each
        if not isinstance(label, dict):
            flat.append(label)
            continue
        children = label.pop("children", None)
        if not label.get("id") and isinstance(label.get("name"), str):
            label["id"] = _slug(label["name"], taken)
            taken.add(label["id"])
        if parent is not None:
            label["parent"] = parent
        flat.append(label)
        if isinstance(children, list) and children:
            if depth >= MAX_DEPTH:
                raise Invalid("bad_ontology", f"labels are nested deeper than {MAX_DEPTH}")
            flat += _flattened(children, label.get("id"), taken, depth + 1)
    return flat


def _resolve_references(question: dict[str, Any], questions: list[Any]) -> None:
    """Turn names into ids where a question refers to another one or to its labels."""
    for end in ("from", "to"):
        other = _named(question.get(f"{end}_question"), questions)
        if other is not None:
            question[f"{end}_question"] = other.get("id")
            if isinstance(question.get(f"{end}_labels"), list):
                question[f"{end}_labels"] = _label_ids(question[f"{end}_labels"], other)
    condition = question.get("depends_on")
    if isinstance(condition, dict):
        other = _named(condition.get("question"), questions)
        if other is not None and isinstance(condition.get("labels"), list):
            question["depends_on"] = {
                "question": other.get("id"),
                "labels": _label_ids(condition["labels"], other),
            }


def _named(wanted: Any, parts: list[Any]) -> dict[str, Any] | None:
    known = [each for each in parts if isinstance(each, dict)]
    for key in ("id", "name"):
        found = [each for each in known if wanted is not None and each.get(key) == wanted]
        if len(found) == 1:
            return found[0]
    return None


def _label_ids(wanted: list[Any], question: dict[str, Any]) -> list[Any]:
    labels = question.get("labels")
    labels = labels if isinstance(labels, list) else []
    return [found.get("id") if (found := _named(each, labels)) is not None else each for each in wanted]


def _fill_ids(parts: list[Any]) -> None:
    taken = {each["id"] for each in parts if isinstance(each, dict) and isinstance(each.get("id"), str)}
    for each in parts:
        if isinstance(each, dict) and not each.get("id") and isinstance(each.get("name"), str):
            each["id"] = _slug(each["name"], taken)
            taken.add(each["id"])


# --- regions ------------------------------------------------------------------------------------------------------


def _read_region(question: dict[str, Any]) -> None:
    shapes = question.get("shapes")
    if isinstance(shapes, str):
        shapes = shapes.split(",")
    if isinstance(shapes, list | tuple):
        kinds = [_shape(each) for each in shapes]
        question["shapes"] = [kind for i, kind in enumerate(kinds) if kind not in kinds[:i]]
    common = _attributes(question.pop("attributes", None))
    labels = question.get("labels")
    for label in labels if isinstance(labels, list) else []:
        if not isinstance(label, dict):
            continue
        own = _attributes(label.get("attributes"))
        if isinstance(own, list) and isinstance(common, list):
            said = [each.get("name") for each in own if isinstance(each, dict)]
            own = own + [
                dict(each) for each in common if isinstance(each, dict) and each.get("name") not in said
            ]
            _fill_ids(own)
        if own:
            label["attributes"] = own
        if label.get("skeleton") is not None:
            label["skeleton"] = _skeleton(label["skeleton"])


def _shape(named: Any) -> Any:
    if not isinstance(named, str):
        return named
    plain = re.sub(r"[\s-]+", "_", named.strip().lower()).removesuffix("s")
    return _SHAPES.get(plain, named)


def _attributes(given: Any) -> Any:
    """Attributes as a list of objects; what cannot be one is left as it is, for the check to say so."""
    if given is None:
        return []
    if isinstance(given, dict):
        return [_attribute(name, value) for name, value in given.items()]
    if not isinstance(given, list | tuple):
        return given
    found: list[Any] = []
    for each in given:
        if isinstance(each, str):
            found.append(_attribute(each, "boolean"))
        elif isinstance(each, dict) and len(each) == 1 and "name" not in each:
            found += [_attribute(name, value) for name, value in each.items()]
        elif isinstance(each, dict):
            found.append(_attribute(each.get("name"), each))
        else:
            found.append(each)
    return found


def _attribute(name: Any, value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        found = {"name": name} | value
        if isinstance(found.get("options"), list | tuple):
            found["options"] = [_option(each) for each in found["options"]]
        return found
    if isinstance(value, list | tuple):
        return {"name": name, "type": "choice", "options": [_option(each) for each in value]}
    return {"name": name, "type": value}


def _option(value: Any) -> Any:
    # What YAML read as something else was meant as a word: `[yes, no]`, `[1, 2, 3]`.
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if isinstance(value, int | float) else value


def _skeleton(given: Any) -> Any:
    found = {"points": given} if isinstance(given, list | tuple) else given
    if not isinstance(found, dict):
        return found
    points, edges = found.get("points"), found.get("edges")
    if not isinstance(points, list | tuple) or not isinstance(edges, list | tuple):
        return found
    return found | {
        "edges": [[points.index(end) if end in points else end for end in _ends(edge)] for edge in edges]
    }


def _ends(edge: Any) -> list[Any]:
    if isinstance(edge, str):
        return [end.strip() for end in edge.split(" - ")]
    return list(edge) if isinstance(edge, list | tuple) else [edge]
