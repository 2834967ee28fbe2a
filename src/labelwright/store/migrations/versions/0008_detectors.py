"""Networks trained elsewhere."""

import sqlalchemy as sa
from alembic import op

from labelwright.store.tables import BigId, Json, Utc

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A table of detectors; their model files lie in blobs."""
    op.create_table(
        "detector",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("model_sha256", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", BigId, nullable=False),
        sa.Column("spec", Json, nullable=False),
        sa.Column("signature", Json, nullable=False),
        sa.Column("created_by", BigId, nullable=True),
        sa.Column("created_at", Utc, nullable=False),
        sa.Column("removed_at", Utc, nullable=True),
        sa.ForeignKeyConstraint(["created_by"], ["user.id"], name=op.f("fk_detector_created_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_detector")),
    )
