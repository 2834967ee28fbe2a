"""The base of every noun: an immutable, strict pydantic value.

Hides how values are frozen, validated and written as JSON, so that the same value is what rules work on, what is
stored, what goes over HTTP and what TypeScript sees.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.\-]{1,64}$")]
"""A stable identifier inside an ontology or an answer: letters, digits, `_`, `.`, `-`; 1 to 64 characters."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
"""A short text that a person reads: 1 to 200 characters."""

Probability = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
"""A number in [0, 1]; never NaN."""


class Value(BaseModel):
    """An immutable noun. Unknown fields are refused so that a typo never becomes silent data."""

    model_config = ConfigDict(frozen=True, extra="forbid")
