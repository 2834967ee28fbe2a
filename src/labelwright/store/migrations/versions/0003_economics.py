"""Flags of assets, the arm each submission was made in, and how people judged each label a model gave."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("asset", sa.Column("flags", sa.Integer(), nullable=True))
    op.add_column("annotation", sa.Column("arm", sa.String(10), nullable=True))
    op.add_column("annotation", sa.Column("withheld_id", _BIG, nullable=True))
    op.add_column("annotation", sa.Column("judged_run_id", _BIG, nullable=True))
    op.add_column("annotation", sa.Column("judged_predictor", sa.String(64), nullable=True))
    op.add_column("annotation", sa.Column("judged_usd", sa.Float(), nullable=True))
    op.create_table(
        "arm",
        sa.Column("asset_id", _BIG, sa.ForeignKey("asset.id", name="fk_arm_asset_id"), nullable=False),
        sa.Column("user_id", _BIG, sa.ForeignKey("user.id", name="fk_arm_user_id"), nullable=False),
        sa.Column("project_id", _BIG, sa.ForeignKey("project.id", name="fk_arm_project_id"), nullable=False),
        sa.Column("arm", sa.String(10), nullable=False),
        sa.PrimaryKeyConstraint("asset_id", "user_id", name="pk_arm"),
    )
    op.create_index("ix_arm_project_id_user_id", "arm", ["project_id", "user_id"])
    op.create_table(
        "verdict",
        sa.Column("annotation_id", sa.String(64), sa.ForeignKey("annotation.id", name="fk_verdict_annotation_id"), nullable=False),
        sa.Column("question", sa.String(64), nullable=False),
        sa.Column("label", sa.String(64), nullable=False),
        sa.Column("project_id", _BIG, nullable=False),
        sa.Column("author_id", _BIG, nullable=False),
        sa.Column("run_id", _BIG, nullable=True),
        sa.Column("predictor_sha256", sa.String(64), nullable=True),
        sa.Column("arm", sa.String(10), nullable=True),
        sa.Column("accepted", sa.Integer(), nullable=False),
        sa.Column("corrected", sa.Integer(), nullable=False),
        sa.Column("rejected", sa.Integer(), nullable=False),
        sa.Column("added", sa.Integer(), nullable=False),
        sa.Column("final", sa.Integer(), nullable=False),
        sa.Column("correct", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("annotation_id", "question", "label", name="pk_verdict"),
    )  # fmt: skip
    op.create_index("ix_verdict_project_id", "verdict", ["project_id"])
