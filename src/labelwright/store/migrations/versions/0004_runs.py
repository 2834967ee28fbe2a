"""Runs: a price table, a cache of replies, batches at a provider, and jobs that sleep."""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")
UTC = sa.BigInteger()


def upgrade() -> None:
    """Make the tables and columns; two prices per provider become a row for every model."""
    for name in ("cached_tokens", "reasoning_tokens", "from_cache"):
        op.add_column("run", sa.Column(name, BIG, nullable=False, server_default="0"))
    op.add_column("job", sa.Column("wake_at", UTC, nullable=True))
    op.create_table(
        "reply_cache",
        sa.Column("project_id", BIG, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("reply", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("hits", sa.Integer(), nullable=False),
        sa.Column("created_at", UTC, nullable=False),
        sa.Column("used_at", UTC, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_reply_cache_project_id")),
        sa.PrimaryKeyConstraint("project_id", "sha256", name=op.f("pk_reply_cache")),
    )
    op.create_index("ix_reply_cache_used_at", "reply_cache", ["used_at", "size"])
    op.create_table(
        "remote_batch",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("run_id", BIG, nullable=False),
        sa.Column("token", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("file_id", sa.String(length=300), nullable=True),
        sa.Column("batch_id", sa.String(length=300), nullable=True),
        sa.Column("status", sa.String(length=40), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("completed", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.Column("cancel_wanted", sa.Boolean(), nullable=False),
        sa.Column("created_at", UTC, nullable=False),
        sa.Column("looked_at", UTC, nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_remote_batch_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_remote_batch")),
    )
    op.create_index("ix_remote_batch_run_id_state", "remote_batch", ["run_id", "state"])
    connection = op.get_bind()
    for provider_id, stored in connection.execute(sa.text("SELECT id, body FROM provider")).all():
        body: dict[str, Any] = json.loads(stored) if isinstance(stored, str) else dict(stored)
        input_, output = body.pop("input_usd_per_mtok", None), body.pop("output_usd_per_mtok", None)
        known = input_ is not None and output is not None
        body["prices"] = (
            [{"model": "*", "input_usd_per_mtok": input_, "output_usd_per_mtok": output}] if known else []
        )
        value = "CAST(:body AS jsonb)" if connection.dialect.name == "postgresql" else ":body"
        connection.execute(
            sa.text(f"UPDATE provider SET body = {value} WHERE id = :id"),  # noqa: S608
            {"body": json.dumps(body), "id": provider_id},
        )
