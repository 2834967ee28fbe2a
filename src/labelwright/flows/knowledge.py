"""Lists of entities that spans are linked to: upload one, look entities up, and have its index at hand.

A list is named by the hash of its content, and a span question names the list it uses. So the version of the ontology
says which list answers refer to, and a list never changes under them.
"""

import threading
from functools import lru_cache
from pathlib import Path

from labelwright.core.access import Actor
from labelwright.core.answer import NIL, Answers, SpanAnswer
from labelwright.core.errors import Invalid, NotFound
from labelwright.core.knowledge import Candidate, Entity, Knowledge
from labelwright.core.ontology import Ontology, SpanQuestion
from labelwright.core.problem import Problem, excerpt
from labelwright.core.transfer import find_question
from labelwright.core.value import Value
from labelwright.flows import guard, setup
from labelwright.flows.ingest import file_of
from labelwright.formats import knowledge as lists
from labelwright.media.blobs import Blobs
from labelwright.store import history
from labelwright.store import knowledge as store
from labelwright.store.knowledge import KnowledgeList
from labelwright.workbench import Workbench

MAX_PROBLEMS = 1_000
_building = threading.Lock()


class AddedList(Value):
    """A list that was stored, and the rows that were not taken (the first 1,000 of `bad`)."""

    added: KnowledgeList
    bad: int
    problems: tuple[Problem, ...]


def add_upload(
    workbench: Workbench, actor: Actor, project_id: int, upload_id: str, name: str = ""
) -> AddedList:
    """Store an uploaded file as a list of the project.

    Raises:
        Invalid: It holds no entity, too many, or cannot be read.
    """
    with workbench.store.read() as tx:
        guard.project(tx, actor, project_id, "edit_ontology")
        path, own = file_of(workbench, tx, actor, upload_id)
    return add_file(workbench, actor, project_id, path, own, name)


def add_file(
    workbench: Workbench, actor: Actor, project_id: int, path: Path, file_name: str, name: str = ""
) -> AddedList:
    """Store a file as a list of the project; the same entities again are the same list."""
    with workbench.store.read() as tx:
        guard.project(tx, actor, project_id, "edit_ontology")
    entities, problems = lists.read(path, file_name)
    if not entities:
        raise Invalid(
            "no_entities", f"{file_name} holds no entity", "each row needs an id and a name",
            problems=problems[:MAX_PROBLEMS],
        )  # fmt: skip
    sha256, _ = workbench.blobs.put(lists.lines(entities))
    title, now = (name.strip() or file_name)[:300], workbench.now()
    with workbench.store.write() as tx:
        guard.project(tx, actor, project_id, "edit_ontology", lock=True)
        store.add(tx, project_id, sha256, title, len(entities), actor.user_id, now)
        history.record(
            tx, now, "knowledge_added", project_id=project_id, user_id=actor.user_id,
            body={"name": title, "entities": len(entities)},
        )  # fmt: skip
        added = next(each for each in store.of_project(tx, project_id) if each.sha256 == sha256)
    return AddedList(added=added, bad=len(problems), problems=tuple(problems[:MAX_PROBLEMS]))


def link_question(workbench: Workbench, actor: Actor, project_id: int, named: str, sha256: str) -> int:
    """Let the spans of a question be linked to a list; returns the new version of the ontology.

    Raises:
        Invalid: There is no such span question.
    """
    old = setup.current_ontology(workbench, actor, project_id)
    question = find_question(old, named)
    if not isinstance(question, SpanQuestion):
        raise Invalid("no_span_question", f"there is no question {named!r} that marks spans")
    questions = tuple(
        q.model_copy(update={"knowledge": sha256}) if q.id == question.id else q for q in old.questions
    )
    new = old.model_copy(update={"questions": questions})
    return setup.change_ontology(workbench, actor, project_id, old.version, new).version


def all_lists(workbench: Workbench, actor: Actor, project_id: int) -> list[KnowledgeList]:
    """Lists of a project, newest first."""
    with workbench.store.read() as tx:
        guard.project(tx, actor, project_id)
        return store.of_project(tx, project_id)


def search(
    workbench: Workbench, actor: Actor, project_id: int, sha256: str, words: str, k: int
) -> list[Candidate]:
    """The entities whose names are most like `words`."""
    return _index(workbench, actor, project_id, sha256).search(words, k)


def entity(workbench: Workbench, actor: Actor, project_id: int, sha256: str, entity_id: str) -> Entity:
    """One entity.

    Raises:
        NotFound: The list has none with this id.
    """
    found = _index(workbench, actor, project_id, sha256).by_id.get(entity_id)
    if found is None:
        raise NotFound("no_entity", "the list has no entity with this id")
    return found


def _index(workbench: Workbench, actor: Actor, project_id: int, sha256: str) -> Knowledge:
    with workbench.store.read() as tx:
        guard.project(tx, actor, project_id)
        if all(each.sha256 != sha256 for each in store.of_project(tx, project_id)):
            raise NotFound("no_list", f"project {project_id} has no such list of entities")
    return index_of(workbench.blobs, sha256)


def index_of(blobs: Blobs, sha256: str) -> Knowledge:
    """The index of a list; kept in memory, since building one of 100,000 entities takes seconds."""
    with _building:
        return _built(blobs.folder, sha256)


@lru_cache(maxsize=4)
def _built(folder: Path, sha256: str) -> Knowledge:
    return Knowledge(lists.parse(Blobs(folder).read(sha256)))


def lists_of(workbench: Workbench, ontology: Ontology) -> dict[str, Knowledge]:
    """The indexed lists that an ontology's questions link to, by their hash."""
    names = {q.knowledge for q in ontology.active_questions if isinstance(q, SpanQuestion) and q.knowledge}
    return {sha256: index_of(workbench.blobs, sha256) for sha256 in sorted(names)}


def check_links(workbench: Workbench, ontology: Ontology, answers: Answers) -> list[Problem]:
    """Links to entities that the question's list does not have.

    Problems:
        unknown_entity.
    """
    problems: list[Problem] = []
    for question_id, answer in answers.items():
        question = ontology.question(question_id)
        if not isinstance(answer, SpanAnswer) or not isinstance(question, SpanQuestion):
            continue
        linked = [(i, s.link) for i, s in enumerate(answer.spans) if s.link is not None and s.link != NIL]
        known = index_of(workbench.blobs, question.knowledge).by_id if linked and question.knowledge else {}
        for i, link in linked:
            if question.knowledge and link not in known:
                message = f"the list has no entity {excerpt(link)!r}"
                where = f"{question_id}/spans/{i}/link"
                problems.append(Problem(where=where, code="unknown_entity", message=message))
    return problems
