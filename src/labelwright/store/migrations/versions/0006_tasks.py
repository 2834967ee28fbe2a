"""Lists of entities that spans are linked to."""

import sqlalchemy as sa
from alembic import op

from labelwright.store.tables import BigId, Utc

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A table that says which lists a project has; their content lies in blobs."""
    op.create_table(
        "knowledge",
        sa.Column("project_id", BigId, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("entities", sa.Integer(), nullable=False),
        sa.Column("created_by", BigId, nullable=True),
        sa.Column("created_at", Utc, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_knowledge_project_id")),
        sa.ForeignKeyConstraint(["created_by"], ["user.id"], name=op.f("fk_knowledge_created_by")),
        sa.PrimaryKeyConstraint("project_id", "sha256", name=op.f("pk_knowledge")),
    )
