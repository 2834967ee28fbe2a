"""First tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Frozen here: a migration must keep making what it made, whatever the tables in the code become.
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")
UTC = sa.BigInteger()


def upgrade() -> None:
    """Make every table."""
    op.create_table(
        "predictor",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("title", sa.String(length=400), nullable=False),
        sa.Column("body", JSON, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_predictor")),
    )
    op.create_table(
        "project",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("modality", sa.String(length=10), nullable=False),
        sa.Column("ontology_version", sa.Integer(), nullable=False),
        sa.Column("settings", JSON, nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("audit_floor", sa.Float(), nullable=False),
        sa.Column("learned_at_submissions", sa.Integer(), nullable=False),
        sa.Column("model_sha256", sa.String(length=64), nullable=True),
        sa.Column("created_at", UTC, nullable=False),
        sa.Column("deleted_at", UTC, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_project")),
    )
    op.create_table(
        "provider",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("body", JSON, nullable=False),
        sa.Column("sealed_key", sa.Text(), nullable=True),
        sa.Column("capabilities", JSON, nullable=True),
        sa.Column("created_at", UTC, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider")),
        sa.UniqueConstraint("name", name=op.f("uq_provider_name")),
    )
    op.create_table(
        "upload",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("user_id", BIG, nullable=False),
        sa.Column("name", sa.String(length=500), nullable=False),
        sa.Column("blob", sa.String(length=100), nullable=False),
        sa.Column("size_bytes", BIG, nullable=False),
        sa.Column("created_at", UTC, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_upload")),
    )
    op.create_table(
        "user",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("display_name", sa.String(length=200), nullable=False),
        sa.Column("password_hash", sa.String(length=300), nullable=True),
        sa.Column("is_admin", sa.Boolean(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", UTC, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user")),
        sa.UniqueConstraint("name", name=op.f("uq_user_name")),
    )
    op.create_table(
        "asset",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("project_id", BIG, nullable=False),
        sa.Column("modality", sa.String(length=10), nullable=False),
        sa.Column("external_id", sa.String(length=500), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", BIG, nullable=False),
        sa.Column("batch", sa.Integer(), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=True),
        sa.Column("order_key", sa.Float(), nullable=False),
        sa.Column("shuffle", sa.Float(), nullable=False),
        sa.Column("prediction_id", BIG, nullable=True),
        sa.Column("annotations", sa.Integer(), nullable=False),
        sa.Column("gold", sa.Boolean(), nullable=False),
        sa.Column("updated_at", UTC, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_asset_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_asset")),
        sa.UniqueConstraint("project_id", "external_id", name=op.f("uq_asset_project_id_external_id")),
    )
    op.create_index(
        "ix_asset_project_id_confidence_id", "asset", ["project_id", "confidence", "id"], unique=False
    )
    op.create_index("ix_asset_project_id_id", "asset", ["project_id", "id"], unique=False)
    op.create_index("ix_asset_project_id_sha256", "asset", ["project_id", "sha256"], unique=False)
    op.create_index("ix_asset_project_id_status_id", "asset", ["project_id", "status", "id"], unique=False)
    op.create_index("ix_asset_queue", "asset", ["project_id", "open", "order_key", "id"], unique=False)
    op.create_index("ix_asset_shuffle", "asset", ["project_id", "open", "shuffle", "id"], unique=False)
    op.create_table(
        "counter",
        sa.Column("project_id", BIG, nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("n", BIG, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_counter_project_id")),
        sa.PrimaryKeyConstraint("project_id", "name", name=op.f("pk_counter")),
    )
    op.create_table(
        "event",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("at", UTC, nullable=False),
        sa.Column("project_id", BIG, nullable=True),
        sa.Column("asset_id", BIG, nullable=True),
        sa.Column("user_id", BIG, nullable=True),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("body", JSON, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_event_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
    )
    op.create_index("ix_event_asset_id_id", "event", ["asset_id", "id"], unique=False)
    op.create_index("ix_event_project_id_id", "event", ["project_id", "id"], unique=False)
    op.create_table(
        "job",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("project_id", BIG, nullable=True),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("params", JSON, nullable=False),
        sa.Column("cursor", JSON, nullable=False),
        sa.Column("done", BIG, nullable=False),
        sa.Column("total", BIG, nullable=True),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("report", JSON, nullable=False),
        sa.Column("worker", sa.String(length=100), nullable=True),
        sa.Column("lease_until", UTC, nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("cancel_wanted", sa.Boolean(), nullable=False),
        sa.Column("created_by", BIG, nullable=True),
        sa.Column("created_at", UTC, nullable=False),
        sa.Column("started_at", UTC, nullable=True),
        sa.Column("finished_at", UTC, nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_job_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
    )
    op.create_index("ix_job_project_id_id", "job", ["project_id", "id"], unique=False)
    op.create_index("ix_job_state_id", "job", ["state", "id"], unique=False)
    op.create_table(
        "member",
        sa.Column("project_id", BIG, nullable=False),
        sa.Column("user_id", BIG, nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_member_project_id")),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("fk_member_user_id")),
        sa.PrimaryKeyConstraint("project_id", "user_id", name=op.f("pk_member")),
    )
    op.create_index(op.f("ix_member_user_id"), "member", ["user_id"], unique=False)
    op.create_table(
        "ontology",
        sa.Column("project_id", BIG, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("body", JSON, nullable=False),
        sa.Column("created_at", UTC, nullable=False),
        sa.Column("created_by", BIG, nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_ontology_project_id")),
        sa.PrimaryKeyConstraint("project_id", "version", name=op.f("pk_ontology")),
    )
    op.create_table(
        "prompt_template",
        sa.Column("project_id", BIG, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("user", sa.Text(), nullable=False),
        sa.Column("created_at", UTC, nullable=False),
        sa.Column("created_by", BIG, nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_prompt_template_project_id")),
        sa.PrimaryKeyConstraint("project_id", "version", name=op.f("pk_prompt_template")),
    )
    op.create_table(
        "run",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("project_id", BIG, nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("batch", sa.Integer(), nullable=True),
        sa.Column("predictor_sha256", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("stop_reason", sa.Text(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("retried", sa.Integer(), nullable=False),
        sa.Column("failures", JSON, nullable=False),
        sa.Column("prompt_tokens", BIG, nullable=False),
        sa.Column("completion_tokens", BIG, nullable=False),
        sa.Column("cost_usd", sa.Numeric(precision=18, scale=9), nullable=True),
        sa.Column("cost_cap_usd", sa.Numeric(precision=18, scale=9), nullable=True),
        sa.Column("examples", JSON, nullable=False),
        sa.Column("options", JSON, nullable=False),
        sa.Column("job_id", BIG, nullable=True),
        sa.Column("created_by", BIG, nullable=True),
        sa.Column("created_at", UTC, nullable=False),
        sa.Column("started_at", UTC, nullable=True),
        sa.Column("finished_at", UTC, nullable=True),
        sa.ForeignKeyConstraint(
            ["predictor_sha256"], ["predictor.sha256"], name=op.f("fk_run_predictor_sha256")
        ),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_run_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
    )
    op.create_index("ix_run_project_id_id", "run", ["project_id", "id"], unique=False)
    op.create_table(
        "session",
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("user_id", BIG, nullable=False),
        sa.Column("created_at", UTC, nullable=False),
        sa.Column("seen_at", UTC, nullable=False),
        sa.Column("user_agent", sa.String(length=300), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("fk_session_user_id")),
        sa.PrimaryKeyConstraint("token_sha256", name=op.f("pk_session")),
    )
    op.create_index(op.f("ix_session_user_id"), "session", ["user_id"], unique=False)
    op.create_table(
        "sign_in_link",
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("user_id", BIG, nullable=False),
        sa.Column("expires_at", UTC, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("fk_sign_in_link_user_id")),
        sa.PrimaryKeyConstraint("token_sha256", name=op.f("pk_sign_in_link")),
    )
    op.create_table(
        "take_count",
        sa.Column("project_id", BIG, nullable=False),
        sa.Column("user_id", BIG, nullable=False),
        sa.Column("n", BIG, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_take_count_project_id")),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("fk_take_count_user_id")),
        sa.PrimaryKeyConstraint("project_id", "user_id", name=op.f("pk_take_count")),
    )
    op.create_table(
        "token",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("user_id", BIG, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("secret_sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", UTC, nullable=False),
        sa.Column("expires_at", UTC, nullable=True),
        sa.Column("used_at", UTC, nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("fk_token_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_token")),
    )
    op.create_index(op.f("ix_token_user_id"), "token", ["user_id"], unique=False)
    op.create_table(
        "annotation",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("project_id", BIG, nullable=False),
        sa.Column("asset_id", BIG, nullable=False),
        sa.Column("author_id", BIG, nullable=False),
        sa.Column("ontology_version", sa.Integer(), nullable=False),
        sa.Column("answers", JSON, nullable=False),
        sa.Column("prediction_id", BIG, nullable=True),
        sa.Column("parent_id", sa.String(length=64), nullable=True),
        sa.Column("changed", sa.Boolean(), nullable=False),
        sa.Column("counts", sa.Boolean(), nullable=False),
        sa.Column("taken_back", sa.Boolean(), nullable=False),
        sa.Column("active_ms", BIG, nullable=False),
        sa.Column("idle_ms", BIG, nullable=False),
        sa.Column("wait_ms", BIG, nullable=False),
        sa.Column("request_sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", UTC, nullable=False),
        sa.Column("seq", BIG, nullable=False),
        sa.ForeignKeyConstraint(["asset_id"], ["asset.id"], name=op.f("fk_annotation_asset_id")),
        sa.ForeignKeyConstraint(["author_id"], ["user.id"], name=op.f("fk_annotation_author_id")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_annotation_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_annotation")),
    )
    op.create_index("ix_annotation_asset_id", "annotation", ["asset_id"], unique=False)
    op.create_index(
        "ix_annotation_project_id_author_id_seq",
        "annotation",
        ["project_id", "author_id", "seq"],
        unique=False,
    )
    op.create_index("ix_annotation_project_id_seq", "annotation", ["project_id", "seq"], unique=False)
    op.create_table(
        "asset_content",
        sa.Column("asset_id", BIG, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("metadata", JSON, nullable=False),
        sa.ForeignKeyConstraint(["asset_id"], ["asset.id"], name=op.f("fk_asset_content_asset_id")),
        sa.PrimaryKeyConstraint("asset_id", name=op.f("pk_asset_content")),
    )
    op.create_table(
        "draft",
        sa.Column("asset_id", BIG, nullable=False),
        sa.Column("user_id", BIG, nullable=False),
        sa.Column("answers", JSON, nullable=False),
        sa.Column("prediction_id", BIG, nullable=True),
        sa.Column("revision", BIG, nullable=False),
        sa.Column("updated_at", UTC, nullable=False),
        sa.ForeignKeyConstraint(["asset_id"], ["asset.id"], name=op.f("fk_draft_asset_id")),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("fk_draft_user_id")),
        sa.PrimaryKeyConstraint("asset_id", "user_id", name=op.f("pk_draft")),
    )
    op.create_table(
        "exchange",
        sa.Column("run_id", BIG, nullable=False),
        sa.Column("asset_id", BIG, nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("request_sha256", sa.String(length=64), nullable=False),
        sa.Column("reply", JSON, nullable=False),
        sa.Column("created_at", UTC, nullable=False),
        sa.ForeignKeyConstraint(["asset_id"], ["asset.id"], name=op.f("fk_exchange_asset_id")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_exchange_run_id")),
        sa.PrimaryKeyConstraint("run_id", "asset_id", "part", name=op.f("pk_exchange")),
    )
    op.create_table(
        "gold",
        sa.Column("asset_id", BIG, nullable=False),
        sa.Column("project_id", BIG, nullable=False),
        sa.Column("answers", JSON, nullable=False),
        sa.Column("created_at", UTC, nullable=False),
        sa.ForeignKeyConstraint(["asset_id"], ["asset.id"], name=op.f("fk_gold_asset_id")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_gold_project_id")),
        sa.PrimaryKeyConstraint("asset_id", name=op.f("pk_gold")),
    )
    op.create_index("ix_gold_project_id_asset_id", "gold", ["project_id", "asset_id"], unique=False)
    op.create_table(
        "import_problem",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("job_id", BIG, nullable=False),
        sa.Column("where", sa.String(length=700), nullable=False),
        sa.Column("code", sa.String(length=60), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_import_problem_job_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_problem")),
    )
    op.create_index("ix_import_problem_job_id_id", "import_problem", ["job_id", "id"], unique=False)
    op.create_table(
        "lease",
        sa.Column("asset_id", BIG, nullable=False),
        sa.Column("user_id", BIG, nullable=False),
        sa.Column("until", UTC, nullable=False),
        sa.Column("why", sa.String(length=20), nullable=False),
        sa.ForeignKeyConstraint(["asset_id"], ["asset.id"], name=op.f("fk_lease_asset_id")),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("fk_lease_user_id")),
        sa.PrimaryKeyConstraint("asset_id", "user_id", name=op.f("pk_lease")),
    )
    op.create_index("ix_lease_until", "lease", ["until"], unique=False)
    op.create_index("ix_lease_user_id", "lease", ["user_id"], unique=False)
    op.create_table(
        "prediction",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("project_id", BIG, nullable=False),
        sa.Column("asset_id", BIG, nullable=False),
        sa.Column("run_id", BIG, nullable=True),
        sa.Column("predictor_sha256", sa.String(length=64), nullable=False),
        sa.Column("ontology_version", sa.Integer(), nullable=False),
        sa.Column("answers", JSON, nullable=False),
        sa.Column("confidence", JSON, nullable=False),
        sa.Column("problems", JSON, nullable=False),
        sa.Column("lowest", sa.Float(), nullable=True),
        sa.Column("created_at", UTC, nullable=False),
        sa.ForeignKeyConstraint(["asset_id"], ["asset.id"], name=op.f("fk_prediction_asset_id")),
        sa.ForeignKeyConstraint(
            ["predictor_sha256"], ["predictor.sha256"], name=op.f("fk_prediction_predictor_sha256")
        ),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_prediction_project_id")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_prediction_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prediction")),
    )
    op.create_index("ix_prediction_asset_id_id", "prediction", ["asset_id", "id"], unique=False)
    op.create_index("ix_prediction_run_id", "prediction", ["run_id"], unique=False)
    op.create_table(
        "run_asset",
        sa.Column("run_id", BIG, nullable=False),
        sa.Column("asset_id", BIG, nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("cause", sa.String(length=60), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("prediction_id", BIG, nullable=True),
        sa.Column("latency_s", sa.Float(), nullable=True),
        sa.Column("cost_usd", sa.Numeric(precision=18, scale=9), nullable=True),
        sa.Column("finished_at", UTC, nullable=True),
        sa.ForeignKeyConstraint(["asset_id"], ["asset.id"], name=op.f("fk_run_asset_asset_id")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_run_asset_run_id")),
        sa.PrimaryKeyConstraint("run_id", "asset_id", name=op.f("pk_run_asset")),
    )
    op.create_index(
        "ix_run_asset_run_id_state_asset_id", "run_asset", ["run_id", "state", "asset_id"], unique=False
    )
    op.create_table(
        "skip",
        sa.Column("asset_id", BIG, nullable=False),
        sa.Column("user_id", BIG, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", UTC, nullable=False),
        sa.ForeignKeyConstraint(["asset_id"], ["asset.id"], name=op.f("fk_skip_asset_id")),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("fk_skip_user_id")),
        sa.PrimaryKeyConstraint("asset_id", "user_id", name=op.f("pk_skip")),
    )
