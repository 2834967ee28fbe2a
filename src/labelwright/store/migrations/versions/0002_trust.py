"""Why an annotated asset was handed out, whether the model was right, and answers accepted by rule."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "acceptance",
        sa.Column("id", _BIG, autoincrement=True, nullable=False),
        sa.Column("project_id", _BIG, nullable=False),
        sa.Column("predictor_key", sa.String(64), nullable=False),
        sa.Column("predictor_title", sa.String(400), nullable=False),
        sa.Column("above", sa.Float(), nullable=False),
        sa.Column("promise", _JSON, nullable=False),
        sa.Column("evidence", _JSON, nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("accepted", sa.BigInteger(), nullable=False),
        sa.Column("created_by", _BIG),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger()),
        sa.Column("ended_because", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_acceptance_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_acceptance")),
    )
    op.create_index("ix_acceptance_project_id_id", "acceptance", ["project_id", "id"])
    op.add_column("asset", sa.Column("acceptance_id", _BIG))
    op.add_column("asset", sa.Column("audit_above", sa.Float()))
    op.add_column("asset", sa.Column("audit_first", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index("ix_asset_acceptance_id", "asset", ["acceptance_id"])
    op.add_column("lease", sa.Column("drawn_above", sa.Float()))
    op.add_column("annotation", sa.Column("why", sa.String(20)))
    op.add_column("annotation", sa.Column("drawn_above", sa.Float()))
    op.add_column("annotation", sa.Column("model_right", sa.Boolean()))
    # Why older annotations came about is not known, so none of them counts as drawn at random.
    op.execute("UPDATE annotation SET model_right = NOT changed WHERE prediction_id IS NOT NULL")
