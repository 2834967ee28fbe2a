"""Learning from a model's confusions: which labels it takes for which, and a proposal for a better definition.

Hides which answers are compared, and what a model is told about them. Gold is never looked at here: definitions that
were written to please it could not be judged by it. A proposal changes nothing; a person takes it or leaves it.
"""

from decimal import Decimal

from labelwright.core.access import Actor
from labelwright.core.confusions import Confusion, confusions
from labelwright.core.errors import Invalid, NotFound
from labelwright.core.ontology import LabelledQuestion
from labelwright.core.value import Value
from labelwright.flows import guard, models
from labelwright.prompting.improve import Mistake, ask_definition, read_definition
from labelwright.providers import cost_usd
from labelwright.store import asset as assets
from labelwright.store import comparison as store
from labelwright.store import history
from labelwright.workbench import Workbench

NEWEST = 2_000
"""So many of the newest reviewed predictions are looked at."""

_MOST_ROWS = 100
_MOST_MISTAKES = 6
_TEXTS_EACH = 3
_EXCERPT = 400


class ConfusedText(Value):
    """An asset on which a confusion happened; its text is cut."""

    asset_id: int
    text: str


class ConfusionRow(Value):
    """A confusion with some of its texts; `of` is how many reviewed predictions were looked at."""

    confusion: Confusion
    of: int
    texts: tuple[ConfusedText, ...]


class DefinitionDraft(Value):
    """A proposal for one label.

    Attributes:
        before: The definition now.
        after: The proposed one.
        why: What the model says about it.
        mistakes: Confusions it was told of.
        texts_sent: How many texts went along.
        cost_usd: None when the price is unknown.
    """

    question: str
    label: str
    before: str
    after: str
    why: str
    model: str
    mistakes: int
    texts_sent: int
    cost_usd: Decimal | None


def list_confusions(workbench: Workbench, actor: Actor, project_id: int) -> list[ConfusionRow]:
    """What models took for what, by the newest reviewed predictions, most frequent first."""
    with workbench.store.read() as tx:
        project = guard.project(tx, actor, project_id, "see_assets")
        ontology = guard.ontology(tx, project_id, project.ontology_version)
        judged = store.judged(tx, project_id, NEWEST)
        rows = confusions(ontology, judged)[:_MOST_ROWS]
        texts = assets.texts(tx, {each for row in rows for each in row.asset_ids})
    return [
        ConfusionRow(
            confusion=row,
            of=len(judged),
            texts=tuple(
                ConfusedText(asset_id=each, text=texts.get(each, "")[:_EXCERPT]) for each in row.asset_ids
            ),
        )
        for row in rows
    ]


def draft_definition(
    workbench: Workbench,
    actor: Actor,
    project_id: int,
    question_id: str,
    label_id: str,
    provider_id: int,
    model: str,
    *,
    with_texts: bool = True,
) -> DefinitionDraft:
    """Ask a model for a better definition of a label, by its confusions; nothing is changed.

    Args:
        workbench: The windows to the world.
        actor: A manager.
        project_id: Where.
        question_id: The question.
        label_id: The label of it.
        provider_id: Which endpoint.
        model: Which model there.
        with_texts: Whether some of the confused texts go along; the project's privacy decides whether anything may.

    Raises:
        NotFound: There is no such label or endpoint.
        PrivacyRefused: The project does not allow the endpoint.
        ProviderError: It gave no answer.
        Invalid: Its answer holds no definition.
    """
    with workbench.store.read() as tx:
        project = guard.project(tx, actor, project_id, "edit_ontology")
        ontology = guard.ontology(tx, project_id, project.ontology_version)
        question = next((q for q in ontology.active_questions if q.id == question_id), None)
        label = question.label(label_id) if isinstance(question, LabelledQuestion) else None
        if not isinstance(question, LabelledQuestion) or label is None or label.retired:
            raise NotFound("no_label", f"question {question_id!r} has no label {label_id!r}")
        provider = models.provider(tx, provider_id)
        privacy = models.privacy_of(project)
        privacy.check(provider.base_url)
        endpoint = models.endpoint(tx, workbench, provider)
        known = confusions(ontology, store.judged(tx, project_id, NEWEST))
        mine = [c for c in known if c.question == question.id and label_id in (c.said, c.right)]
        mine = mine[:_MOST_MISTAKES]
        texts = assets.texts(
            tx, {each for c in mine for each in c.asset_ids[:_TEXTS_EACH]} if with_texts else ()
        )
    mistakes = [
        Mistake(
            said=named(question, c.said), right=named(question, c.right), n=c.n,
            texts=tuple(texts[each][:_EXCERPT] for each in c.asset_ids[:_TEXTS_EACH] if each in texts),
        )
        for c in mine
    ]  # fmt: skip
    request = ask_definition(ontology, question, label, mistakes, model)
    reply = workbench.pool.ask_one(endpoint, request, privacy=privacy)
    usd = cost_usd(reply.usage, models.price(provider, model, workbench))
    proposal = read_definition(reply)
    sent = sum(len(mistake.texts) for mistake in mistakes)
    with workbench.store.write() as tx:
        history.record(
            tx, workbench.now(), "definition_drafted", project_id=project_id, user_id=actor.user_id,
            body={"question": question.id, "label": label_id, "model": model, "texts": sent,
                  "cost_usd": None if usd is None else str(usd)},
        )  # fmt: skip
    if proposal.problems:
        raise Invalid(
            "no_definition", f"{model} gave no usable definition: {proposal.problems[0].message}",
            "try another model", proposal.problems,
        )  # fmt: skip
    return DefinitionDraft(
        question=question.id, label=label_id, before=label.definition, after=proposal.definition, why=proposal.why,
        model=model, mistakes=len(mistakes), texts_sent=sent, cost_usd=usd,
    )  # fmt: skip


def named(question: LabelledQuestion, label_id: str | None) -> str:
    """The name of a label, or words for none."""
    if label_id is None:
        return "nothing"
    label = question.label(label_id)
    return label.name if label is not None else label_id
