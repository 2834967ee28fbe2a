"""Plans compared on gold, and what the confusions of models teach about the definitions."""

from decimal import Decimal

from pydantic import Field

from labelwright.core.value import Value
from labelwright.flows import compare, improve
from labelwright.flows.prompts import Plan
from labelwright.server.edge import Bench, SignedIn, new_router
from labelwright.store.comparison import GoldPart

router = new_router()


class NewComparison(Value):
    """Plans to compare on the same gold assets; `n` at most so many of them, null for all; the cap is for all plans."""

    plans: list[Plan] = Field(min_length=2, max_length=4)
    gold: GoldPart = "all"
    n: int | None = Field(default=None, ge=1, le=compare.MOST_ASSETS)
    cost_cap_usd: Decimal | None = Field(default=None, gt=0, max_digits=15, decimal_places=6)


@router.get("/projects/{project_id}/gold")
def gold_state(project_id: int, actor: SignedIn, bench: Bench) -> compare.GoldState:
    """How large the gold set and its halves are, and how often they were looked at."""
    return compare.gold_state(bench, actor, project_id)


@router.get("/projects/{project_id}/comparisons")
def list_comparisons(project_id: int, actor: SignedIn, bench: Bench) -> list[compare.ComparisonCard]:
    """Comparisons, newest first."""
    return compare.list_comparisons(bench, actor, project_id)


@router.post("/projects/{project_id}/comparisons", status_code=201)
def start_comparison(
    project_id: int, actor: SignedIn, bench: Bench, body: NewComparison
) -> compare.Comparison:
    """Ask every plan about the same gold assets; the queue is left alone."""
    return compare.start_comparison(
        bench, actor, project_id, body.plans, body.gold, body.n, body.cost_cap_usd
    )


@router.get("/projects/{project_id}/comparisons/{comparison_id}")
def view_comparison(
    project_id: int, comparison_id: int, actor: SignedIn, bench: Bench, question: str | None = None,
    limit: int = 50,
) -> compare.Comparison:  # fmt: skip
    """Figures, verdicts and disagreements (of one question when named)."""
    return compare.view_comparison(
        bench, actor, project_id, comparison_id, question, min(max(limit, 0), 1_000)
    )


@router.post("/projects/{project_id}/comparisons/{comparison_id}/cancel")
def cancel_comparison(
    project_id: int, comparison_id: int, actor: SignedIn, bench: Bench
) -> compare.Comparison:
    """Stop asking; what is known so far is compared."""
    return compare.cancel_comparison(bench, actor, project_id, comparison_id)


class DefinitionWish(Value):
    """Which label, which model, and whether some of the confused texts go along."""

    question: str = Field(max_length=64)
    label: str = Field(max_length=64)
    provider_id: int
    model: str = Field(min_length=1, max_length=300)
    with_texts: bool = True


@router.get("/projects/{project_id}/confusions")
def list_confusions(project_id: int, actor: SignedIn, bench: Bench) -> list[improve.ConfusionRow]:
    """What models took for what, by the newest reviewed predictions."""
    return improve.list_confusions(bench, actor, project_id)


@router.post("/projects/{project_id}/definition-drafts")
def draft_definition(
    project_id: int, actor: SignedIn, bench: Bench, body: DefinitionWish
) -> improve.DefinitionDraft:
    """A model's proposal for a better definition; nothing is changed."""
    return improve.draft_definition(
        bench, actor, project_id, body.question, body.label, body.provider_id, body.model,
        with_texts=body.with_texts,
    )  # fmt: skip
