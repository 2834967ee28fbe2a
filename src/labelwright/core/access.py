"""Who may do what: one closed table of roles and actions. Managers may do all that reviewers may, and so on down."""

from typing import Literal

from labelwright.core.value import Value

Role = Literal["manager", "reviewer", "annotator", "viewer"]
Action = Literal[
    "see_project", "label", "see_assets", "review",
    "import", "export", "run_models", "edit_ontology", "edit_prompts", "edit_settings", "edit_members", "delete_project",
]  # fmt: skip

_ANNOTATOR: frozenset[Action] = frozenset({"see_project", "label"})
_REVIEWER: frozenset[Action] = _ANNOTATOR | {"see_assets", "review"}
_MANAGER: frozenset[Action] = _REVIEWER | {
    "import", "export", "run_models", "edit_ontology", "edit_prompts", "edit_settings", "edit_members", "delete_project",
}  # fmt: skip

ALLOWED: dict[Role, frozenset[Action]] = {
    # A viewer reads along (assets and answers too) but changes nothing; an annotator sees only the own queue.
    "viewer": frozenset({"see_project", "see_assets"}),
    "annotator": _ANNOTATOR,
    "reviewer": _REVIEWER,
    "manager": _MANAGER,
}


class Actor(Value):
    """Who is asking."""

    user_id: int
    name: str
    display_name: str = ""
    is_admin: bool = False
    has_password: bool = False


def may(role: Role | None, action: Action, *, is_admin: bool = False) -> bool:
    """Whether a member with this role may do this. A server administrator may do everything; a stranger nothing."""
    return is_admin or (role is not None and action in ALLOWED[role])
