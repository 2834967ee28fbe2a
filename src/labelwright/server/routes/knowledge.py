"""Lists of entities that spans are linked to."""

from pydantic import Field

from labelwright.core.knowledge import Candidate, Entity
from labelwright.core.value import Value
from labelwright.flows import knowledge
from labelwright.server.edge import Bench, SignedIn, new_router
from labelwright.store.knowledge import KnowledgeList

router = new_router()


class NewList(Value):
    """An upload that becomes a list; without a name it gets the file's."""

    upload_id: str = Field(max_length=100)
    name: str = Field(default="", max_length=300)


@router.get("/projects/{project_id}/knowledge")
def all_lists(project_id: int, actor: SignedIn, bench: Bench) -> list[KnowledgeList]:
    """The lists of a project, newest first."""
    return knowledge.all_lists(bench, actor, project_id)


@router.post("/projects/{project_id}/knowledge", status_code=201)
def add_list(project_id: int, actor: SignedIn, bench: Bench, body: NewList) -> knowledge.AddedList:
    """Make a list from an upload (CSV, TSV, JSON lines or JSON with id, name, aliases, description)."""
    return knowledge.add_upload(bench, actor, project_id, body.upload_id, body.name)


@router.get("/projects/{project_id}/knowledge/{sha256}/search")
def search(
    project_id: int, sha256: str, actor: SignedIn, bench: Bench, words: str, k: int = 10
) -> list[Candidate]:
    """The entities whose names are most like `words`, best first."""
    return knowledge.search(bench, actor, project_id, sha256, words, min(max(k, 1), 100))


@router.get("/projects/{project_id}/knowledge/{sha256}/entity")
def one_entity(project_id: int, sha256: str, actor: SignedIn, bench: Bench, entity_id: str) -> Entity:
    """One entity of a list."""
    return knowledge.entity(bench, actor, project_id, sha256, entity_id)
