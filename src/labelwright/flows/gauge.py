"""How many tokens a text is for one model at one endpoint.

Hides the three sources: the endpoint's own tokenizer, else the estimate times what was learned from its bills, else the
estimate alone.
"""

from collections.abc import Callable

from labelwright.core.errors import ProviderError
from labelwright.core.exchange import Reply, Request
from labelwright.core.project import Capabilities, Project, Provider, TokenFactor
from labelwright.flows import models
from labelwright.prompting import estimate_tokens, token_cost
from labelwright.providers import Endpoint, count_tokens
from labelwright.store import provider as providers
from labelwright.store.db import Tx
from labelwright.workbench import Workbench

_FAST, _SLOW = 20, 0.05
_BELIEVABLE = (0.25, 8.0)
_MOST_REMEMBERED = 64


class Gauge:
    """Counts, and learns while a run goes on."""

    def __init__(self, factor: TokenFactor, exact: Callable[[str], int] | None = None) -> None:
        """Start from what is known; `exact` asks the endpoint's tokenizer."""
        self.factor = factor
        self._exact = exact
        self._counted: dict[str, float] = {}

    def count(self, text: str) -> float:
        """Tokens of a text, rather too many than too few."""
        if self._exact is not None:
            known = self._counted.get(text)
            if known is not None:
                return known
            try:
                found = float(self._exact(text))
            except ProviderError:
                # It offered to count and does not: the estimate serves, and the endpoint is not asked again.
                self._exact = None
            else:
                if len(self._counted) >= _MOST_REMEMBERED:
                    self._counted.clear()
                self._counted[text] = found
                return found
        return token_cost(text) * self.factor.safe

    def prompt_tokens(self, request: Request) -> int:
        """About how many tokens a request's messages are; never asks the endpoint."""
        return round(_estimate(request) * self.factor.mean)

    def learn(self, request: Request, reply: Reply) -> None:
        """Compare the estimate of a prompt with what was billed for it."""
        billed = reply.usage.prompt_tokens
        if billed is None or reply.attempts != 1:
            return
        ratio = billed / max(1, _estimate(request))
        if not _BELIEVABLE[0] <= ratio <= _BELIEVABLE[1]:
            return
        n = self.factor.n + 1
        # The first answers count alike, later ones for a twentieth each, so that the factor follows the texts.
        share = 1 / n if n <= _FAST else _SLOW
        mean = self.factor.mean + share * (ratio - self.factor.mean)
        spread = self.factor.spread + share * (abs(ratio - mean) - self.factor.spread)
        self.factor = TokenFactor(mean=mean, spread=max(0.0, spread), n=n)


def gauge_for(
    tx: Tx, workbench: Workbench, project: Project, provider: Provider, endpoint: Endpoint | None, model: str
) -> Gauge:
    """A gauge for this model; without an endpoint nobody is asked."""
    factor = providers.token_factor(tx, provider.id, model)
    seen: Capabilities | None = provider.capabilities
    if endpoint is None or seen is None or not seen.tokenizer:
        return Gauge(factor)
    kind, privacy = seen.tokenizer, models.privacy_of(project)
    return Gauge(
        factor, lambda text: count_tokens(workbench.pool, endpoint, model, text, kind=kind, privacy=privacy)
    )


def _estimate(request: Request) -> int:
    return sum(estimate_tokens(message.content) + 4 for message in request.messages)
