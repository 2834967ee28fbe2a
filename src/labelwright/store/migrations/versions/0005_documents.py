"""Assets asked in several requests: their layout, what each piece said, and how an endpoint counts tokens."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    """Add the columns; what is there already was asked in one request."""
    op.add_column("run_asset", sa.Column("parts", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("run_asset", sa.Column("layout", JSON, nullable=True))
    op.add_column("prediction", sa.Column("pieces", JSON, nullable=True))
    op.add_column("provider", sa.Column("token_factors", JSON, nullable=True))
