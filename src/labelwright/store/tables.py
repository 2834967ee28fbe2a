"""Every table of the store, in one page.

Rows that lists and the queue read are narrow ("hot"); texts, answers and raw replies live in tables of their own.
Status, confidence and the counters are derived facts, written in the same transaction as what they derive from.
Types are chosen so that SQLite and PostgreSQL hold the same values: times are UTC, JSON is text or jsonb.
"""

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, Table, UniqueConstraint
from sqlalchemy.dialects import postgresql

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite only counts up by itself on INTEGER; PostgreSQL wants 64 bits for millions of assets.
BigId = sa.BigInteger().with_variant(sa.Integer, "sqlite")
Json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


class Utc(sa.types.TypeDecorator[object]):
    """A UTC time kept as microseconds since 1970: compares and sorts the same on both databases."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: object, dialect: object) -> object:
        """Aware datetime -> integer."""
        from datetime import UTC, datetime, timedelta

        if value is None:
            return None
        assert isinstance(value, datetime) and value.tzinfo is not None, "times must be timezone-aware"
        return (value - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)

    def process_result_value(self, value: object, dialect: object) -> object:
        """Integer -> aware datetime."""
        from datetime import UTC, datetime, timedelta

        if value is None:
            return None
        assert isinstance(value, int)
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=value)


def _id() -> Column[int]:
    return Column("id", BigId, primary_key=True, autoincrement=True)


def _project() -> Column[int]:
    return Column("project_id", BigId, ForeignKey("project.id"), nullable=False)


def _asset() -> Column[int]:
    return Column("asset_id", BigId, ForeignKey("asset.id"), nullable=False)


# --- people -----------------------------------------------------------------------------------------------------

user = Table(
    "user",
    metadata,
    _id(),
    Column("name", sa.String(200), nullable=False, unique=True),
    Column("display_name", sa.String(200), nullable=False, default=""),
    Column("password_hash", sa.String(300)),
    Column("is_admin", sa.Boolean, nullable=False, default=False),
    Column("disabled", sa.Boolean, nullable=False, default=False),
    Column("created_at", Utc, nullable=False),
)
session = Table(  # signed-in browsers; only the hash of the cookie is stored
    "session",
    metadata,
    Column("token_sha256", sa.String(64), primary_key=True),
    Column("user_id", BigId, ForeignKey("user.id"), nullable=False, index=True),
    Column("created_at", Utc, nullable=False),
    Column("seen_at", Utc, nullable=False),
    Column("user_agent", sa.String(300), nullable=False, default=""),
)
sign_in_link = Table(
    "sign_in_link",
    metadata,
    Column("token_sha256", sa.String(64), primary_key=True),
    Column("user_id", BigId, ForeignKey("user.id"), nullable=False),
    Column("expires_at", Utc, nullable=False),
)
token = Table(
    "token",
    metadata,
    _id(),
    Column("user_id", BigId, ForeignKey("user.id"), nullable=False, index=True),
    Column("name", sa.String(200), nullable=False),
    Column("secret_sha256", sa.String(64), nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("expires_at", Utc),
    Column("used_at", Utc),
)
member = Table(
    "member",
    metadata,
    Column("project_id", BigId, ForeignKey("project.id"), primary_key=True),
    Column("user_id", BigId, ForeignKey("user.id"), primary_key=True, index=True),
    Column("role", sa.String(20), nullable=False),
)

# --- projects ---------------------------------------------------------------------------------------------------

project = Table(
    "project",
    metadata,
    _id(),
    Column("name", sa.String(200), nullable=False),
    Column("description", sa.Text, nullable=False, default=""),
    Column("modality", sa.String(10), nullable=False),
    Column("ontology_version", sa.Integer, nullable=False),
    Column("settings", Json, nullable=False),
    Column("seed", sa.Integer, nullable=False, default=0),  # of shuffle keys and example sampling
    Column("audit_floor", sa.Float, nullable=False, default=0.0),  # median confidence; set when a run ends
    Column("learned_at_submissions", sa.Integer, nullable=False, default=0),
    Column("model_sha256", sa.String(64)),  # newest trained local model, a blob
    Column("created_at", Utc, nullable=False),
    Column("deleted_at", Utc),
)
ontology = Table(
    "ontology",
    metadata,
    Column("project_id", BigId, ForeignKey("project.id"), primary_key=True),
    Column("version", sa.Integer, primary_key=True),
    Column("body", Json, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("created_by", BigId),
)
counter = Table(  # one row per (project, name): assets by status, submissions, gold; never counted by a scan
    "counter",
    metadata,
    Column("project_id", BigId, ForeignKey("project.id"), primary_key=True),
    Column("name", sa.String(40), primary_key=True),
    Column("n", BigId, nullable=False, default=0),
)
event = Table(
    "event",
    metadata,
    _id(),
    Column("at", Utc, nullable=False),
    Column("project_id", BigId, ForeignKey("project.id")),
    Column("asset_id", BigId),
    Column("user_id", BigId),
    Column("kind", sa.String(40), nullable=False),
    Column("body", Json, nullable=False),
    Index("ix_event_project_id_id", "project_id", "id"),
    Index("ix_event_asset_id_id", "asset_id", "id"),
)

# --- assets -----------------------------------------------------------------------------------------------------

asset = Table(
    "asset",
    metadata,
    _id(),
    _project(),
    Column("modality", sa.String(10), nullable=False, default="text"),
    Column("external_id", sa.String(500)),
    Column("sha256", sa.String(64), nullable=False),
    Column("size", BigId, nullable=False),
    Column("batch", sa.Integer),
    Column("status", sa.String(20), nullable=False, default="new"),
    Column("open", sa.Boolean, nullable=False, default=True),  # workflow.is_open(status)
    Column("confidence", sa.Float),  # of the current prediction
    Column(
        "order_key", sa.Float, nullable=False
    ),  # see store.asset.order_key: one index serves the main stream
    Column("shuffle", sa.Float, nullable=False),  # queue.shuffle_key
    Column("prediction_id", BigId),  # the current prediction
    Column("annotations", sa.Integer, nullable=False, default=0),  # submissions that count
    Column("acceptance_id", BigId, index=True),  # under which acceptance its prediction counts as the answer
    Column("audit_above", sa.Float),  # drawn for an audit, at random from this confidence on
    Column("audit_first", sa.Boolean, nullable=False, default=False, server_default=sa.false()),
    Column("gold", sa.Boolean, nullable=False, default=False),
    Column("flags", sa.Integer),  # core.flags.mask_of what was found in it; None: not looked at yet
    Column("updated_at", Utc, nullable=False),
    UniqueConstraint("project_id", "external_id"),
    Index("ix_asset_project_id_sha256", "project_id", "sha256"),
    Index("ix_asset_queue", "project_id", "open", "order_key", "id"),
    Index("ix_asset_shuffle", "project_id", "open", "shuffle", "id"),
    Index("ix_asset_project_id_id", "project_id", "id"),
    Index("ix_asset_project_id_status_id", "project_id", "status", "id"),
    Index("ix_asset_project_id_confidence_id", "project_id", "confidence", "id"),
)
asset_content = (
    Table(  # the payload of a text asset, read only when the asset is shown, asked about or exported
        "asset_content",
        metadata,
        Column("asset_id", BigId, ForeignKey("asset.id"), primary_key=True),
        Column("text", sa.Text, nullable=False),
        Column("metadata", Json, nullable=False),
        Column("file_name", sa.String(1000)),  # of an image, as it lay in its import
    )
)
picture = (
    Table(  # of each image content once, whatever project it is in; what the names mean: media.pictures.Made
        "picture",
        metadata,
        Column("sha256", sa.String(64), primary_key=True),  # of the original, as asset.sha256
        Column("width", sa.Integer, nullable=False),
        Column("height", sa.Integer, nullable=False),
        Column("format", sa.String(20), nullable=False),
        Column("notes", Json, nullable=False),
        Column("levels", sa.Integer, nullable=False, default=0),
        Column("display", sa.String(64), nullable=False),  # this and the following are names of blobs
        Column("preview", sa.String(64), nullable=False),
        Column("thumbnail", sa.String(64), nullable=False),
        Column("tiles", sa.String(64)),
        Column("created_at", Utc, nullable=False),
    )
)
gold = Table(
    "gold",
    metadata,
    Column("asset_id", BigId, ForeignKey("asset.id"), primary_key=True),
    _project(),
    Column("answers", Json, nullable=False),
    Column("created_at", Utc, nullable=False),
    Index("ix_gold_project_id_asset_id", "project_id", "asset_id"),
)

# --- people's work ----------------------------------------------------------------------------------------------

annotation = Table(
    "annotation",
    metadata,
    Column("id", sa.String(64), primary_key=True),
    _project(),
    _asset(),
    Column("author_id", BigId, ForeignKey("user.id"), nullable=False),
    Column("ontology_version", sa.Integer, nullable=False),
    Column("answers", Json, nullable=False),
    Column("prediction_id", BigId),
    Column("parent_id", sa.String(64)),
    Column(
        "changed", sa.Boolean, nullable=False, default=False
    ),  # differs in meaning from the prediction shown
    Column(
        "counts", sa.Boolean, nullable=False, default=True
    ),  # False once taken back or replaced by its author
    Column("taken_back", sa.Boolean, nullable=False, default=False),
    Column("active_ms", BigId, nullable=False, default=0),
    Column("idle_ms", BigId, nullable=False, default=0),
    Column("wait_ms", BigId, nullable=False, default=0),
    Column("arm", sa.String(10)),  # core.arms: shown | hidden; None outside of the experiment
    Column("withheld_id", BigId),  # the prediction that was not shown to a person of the hidden arm
    # Of the prediction it judges, shown or withheld; kept here so that the economics read one table.
    Column("judged_run_id", BigId),
    Column("judged_predictor", sa.String(64)),
    Column("judged_usd", sa.Float),
    Column(
        "request_sha256", sa.String(64), nullable=False
    ),  # same id with another body is a conflict, not a repeat
    Column("created_at", Utc, nullable=False),
    Column("seq", BigId, nullable=False),  # order of arrival within the project
    Column("why", sa.String(20)),  # of its lease; NULL when it was handed out by nobody, as by an import
    Column("drawn_above", sa.Float),  # drawn at random from this confidence on; NULL: not drawn at random
    Column("model_right", sa.Boolean),  # core.trust.is_right of the prediction shown
    Index("ix_annotation_asset_id", "asset_id"),
    Index("ix_annotation_project_id_seq", "project_id", "seq"),
    Index("ix_annotation_project_id_author_id_seq", "project_id", "author_id", "seq"),
)
draft = Table(
    "draft",
    metadata,
    Column("asset_id", BigId, ForeignKey("asset.id"), primary_key=True),
    Column("user_id", BigId, ForeignKey("user.id"), primary_key=True),
    Column("answers", Json, nullable=False),
    Column("prediction_id", BigId),
    Column("revision", BigId, nullable=False),
    Column("updated_at", Utc, nullable=False),
)
lease = Table(
    "lease",
    metadata,
    Column("asset_id", BigId, ForeignKey("asset.id"), primary_key=True),
    Column("user_id", BigId, ForeignKey("user.id"), primary_key=True),
    Column("until", Utc, nullable=False),
    Column("why", sa.String(20), nullable=False),
    Column("drawn_above", sa.Float),
    Index("ix_lease_until", "until"),
    Index("ix_lease_user_id", "user_id"),
)
skip = Table(
    "skip",
    metadata,
    Column("asset_id", BigId, ForeignKey("asset.id"), primary_key=True),
    Column("user_id", BigId, ForeignKey("user.id"), primary_key=True),
    Column("reason", sa.Text, nullable=False, default=""),
    Column("created_at", Utc, nullable=False),
)
take_count = Table(  # how many assets each person was handed: decides which stream the next one comes from
    "take_count",
    metadata,
    Column("project_id", BigId, ForeignKey("project.id"), primary_key=True),
    Column("user_id", BigId, ForeignKey("user.id"), primary_key=True),
    Column("n", BigId, nullable=False, default=0),
)

arm = Table(  # drawn once per person and asset, when it is first handed out with a suggestion
    "arm",
    metadata,
    Column("asset_id", BigId, ForeignKey("asset.id"), primary_key=True),
    Column("user_id", BigId, ForeignKey("user.id"), primary_key=True),
    _project(),
    Column("arm", sa.String(10), nullable=False),
    Index("ix_arm_project_id_user_id", "project_id", "user_id"),
)
verdict = Table(  # core.economics.judge of every submission that counts; derived, so it can be made anew
    "verdict",
    metadata,
    Column("annotation_id", sa.String(64), ForeignKey("annotation.id"), primary_key=True),
    Column("question", sa.String(64), primary_key=True),
    Column("label", sa.String(64), primary_key=True),
    Column("project_id", BigId, nullable=False),
    Column("author_id", BigId, nullable=False),
    Column("run_id", BigId),
    Column("predictor_sha256", sa.String(64)),
    Column("arm", sa.String(10)),
    Column("accepted", sa.Integer, nullable=False),
    Column("corrected", sa.Integer, nullable=False),
    Column("rejected", sa.Integer, nullable=False),
    Column("added", sa.Integer, nullable=False),
    Column("final", sa.Integer, nullable=False),
    Column("correct", sa.Integer, nullable=False),
    Index("ix_verdict_project_id", "project_id"),
)

# --- models' work -----------------------------------------------------------------------------------------------

provider = Table(
    "provider",
    metadata,
    _id(),
    Column("name", sa.String(200), nullable=False, unique=True),
    Column("body", Json, nullable=False),  # core.project.Provider without id, name, has_key, capabilities
    Column("sealed_key", sa.Text),
    Column("capabilities", Json),
    Column("token_factors", Json),  # model -> core.project.TokenFactor
    Column("created_at", Utc, nullable=False),
)
prompt_template = Table(
    "prompt_template",
    metadata,
    Column("project_id", BigId, ForeignKey("project.id"), primary_key=True),
    Column("version", sa.Integer, primary_key=True),
    Column("name", sa.String(200), nullable=False, default=""),
    Column("system", sa.Text, nullable=False),
    Column("user", sa.Text, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("created_by", BigId),
)
predictor = Table(
    "predictor",
    metadata,
    Column("sha256", sa.String(64), primary_key=True),
    Column("title", sa.String(400), nullable=False),
    Column("body", Json, nullable=False),
)
run = Table(
    "run",
    metadata,
    _id(),
    _project(),
    Column("kind", sa.String(10), nullable=False, default="batch"),  # batch | trial | local
    Column("batch", sa.Integer),
    Column("predictor_sha256", sa.String(64), ForeignKey("predictor.sha256"), nullable=False),
    Column("state", sa.String(12), nullable=False),
    Column("stop_reason", sa.Text, nullable=False, default=""),
    Column("total", sa.Integer, nullable=False),
    Column("done", sa.Integer, nullable=False, default=0),
    Column("failed", sa.Integer, nullable=False, default=0),
    Column("retried", sa.Integer, nullable=False, default=0),
    Column("failures", Json, nullable=False),
    Column("prompt_tokens", BigId, nullable=False, default=0),
    Column("completion_tokens", BigId, nullable=False, default=0),
    Column("cached_tokens", BigId, nullable=False, default=0, server_default="0"),  # part of the prompt's
    Column("reasoning_tokens", BigId, nullable=False, default=0, server_default="0"),  # part of the answer's
    Column("from_cache", BigId, nullable=False, default=0, server_default="0"),  # replies from `reply_cache`
    Column("cost_usd", sa.Numeric(18, 9)),
    Column("cost_cap_usd", sa.Numeric(18, 9)),
    Column("examples", Json, nullable=False),  # annotation ids and a note, chosen when the run starts
    Column("options", Json, nullable=False),  # what the person asked for, e.g. remaining batches of a series
    Column("job_id", BigId),
    Column("created_by", BigId),
    Column("created_at", Utc, nullable=False),
    Column("started_at", Utc),
    Column("finished_at", Utc),
    Index("ix_run_project_id_id", "project_id", "id"),
)
run_asset = Table(
    "run_asset",
    metadata,
    Column("run_id", BigId, ForeignKey("run.id"), primary_key=True),
    Column("asset_id", BigId, ForeignKey("asset.id"), primary_key=True),
    Column("state", sa.String(10), nullable=False, default="pending"),  # pending | asked | done | failed
    Column("attempts", sa.Integer, nullable=False, default=0),
    # How many requests it takes, and which: null for one request about the whole text.
    Column("parts", sa.Integer, nullable=False, default=1, server_default="1"),
    Column("layout", Json),
    Column("cause", sa.String(60)),
    Column("message", sa.Text),
    Column("prediction_id", BigId),
    Column("latency_s", sa.Float),
    Column("cost_usd", sa.Numeric(18, 9)),
    Column("finished_at", Utc),
    Index("ix_run_asset_run_id_state_asset_id", "run_id", "state", "asset_id"),
)
exchange = (
    Table(  # raw replies, kept before they are read, so that reading can be done again without asking again
        "exchange",
        metadata,
        Column("run_id", BigId, ForeignKey("run.id"), primary_key=True),
        Column("asset_id", BigId, ForeignKey("asset.id"), primary_key=True),
        Column("part", sa.Integer, primary_key=True, default=0),
        Column("request_sha256", sa.String(64), nullable=False),
        Column("reply", Json, nullable=False),
        Column("created_at", Utc, nullable=False),
    )
)
reply_cache = Table(  # whole requests that were answered well, so that the same is not paid for twice
    "reply_cache",
    metadata,
    Column("project_id", BigId, ForeignKey("project.id"), primary_key=True),
    Column("sha256", sa.String(64), primary_key=True),
    Column("reply", sa.LargeBinary, nullable=False),  # deflated JSON
    Column("size", sa.Integer, nullable=False),
    Column("hits", sa.Integer, nullable=False, default=0),
    Column("created_at", Utc, nullable=False),
    Column("used_at", Utc, nullable=False),
    Index("ix_reply_cache_used_at", "used_at", "size"),
)
remote_batch = Table(  # what a run has lying at a provider's batch API
    "remote_batch",
    metadata,
    _id(),
    Column("run_id", BigId, ForeignKey("run.id"), nullable=False),
    Column(
        "token", sa.String(40), nullable=False
    ),  # ours, sent along: finds a batch whose id was never heard
    Column("state", sa.String(12), nullable=False, default="preparing"),  # preparing | sent | ended
    Column("file_id", sa.String(300)),
    Column("batch_id", sa.String(300)),
    Column("status", sa.String(40), nullable=False, default=""),  # in the provider's word
    Column("requests", sa.Integer, nullable=False),
    Column("completed", sa.Integer, nullable=False, default=0),
    Column("failed", sa.Integer, nullable=False, default=0),
    Column("looks", sa.Integer, nullable=False, default=0),
    Column("cancel_wanted", sa.Boolean, nullable=False, default=False),
    Column("created_at", Utc, nullable=False),
    Column("looked_at", Utc),
    Index("ix_remote_batch_run_id_state", "run_id", "state"),
)
prediction = Table(
    "prediction",
    metadata,
    _id(),
    _project(),
    _asset(),
    Column("run_id", BigId, ForeignKey("run.id")),
    Column("predictor_sha256", sa.String(64), ForeignKey("predictor.sha256"), nullable=False),
    Column("ontology_version", sa.Integer, nullable=False),
    Column("answers", Json, nullable=False),
    Column("confidence", Json, nullable=False),
    Column("problems", Json, nullable=False),
    Column("pieces", Json),  # what each piece of a long text said; null for one piece
    Column("lowest", sa.Float),
    Column("created_at", Utc, nullable=False),
    Index("ix_prediction_asset_id_id", "asset_id", "id"),
    Index("ix_prediction_run_id", "run_id"),
)

acceptance = Table(  # "everything above this confidence counts as answered", and how it ended
    "acceptance",
    metadata,
    _id(),
    _project(),
    Column("predictor_key", sa.String(64), nullable=False),
    Column("predictor_title", sa.String(400), nullable=False),
    Column("above", sa.Float, nullable=False),
    Column("promise", Json, nullable=False),
    Column("evidence", Json, nullable=False),  # audits and errors when it was made
    Column("state", sa.String(12), nullable=False),  # active | broken | reverting | reverted
    Column("accepted", sa.BigInteger, nullable=False, default=0),
    Column("created_by", BigId),
    Column("created_at", Utc, nullable=False),
    Column("ended_at", Utc),
    Column("ended_because", sa.Text, nullable=False, default=""),
    Index("ix_acceptance_project_id_id", "project_id", "id"),
)

# --- work in the background -------------------------------------------------------------------------------------

knowledge = (
    Table(  # lists of entities that spans are linked to; the entities themselves lie in a blob of that name
        "knowledge",
        metadata,
        Column("project_id", BigId, ForeignKey("project.id"), primary_key=True),
        Column("sha256", sa.String(64), primary_key=True),
        Column("name", sa.String(300), nullable=False),
        Column("entities", sa.Integer, nullable=False),
        Column("created_by", BigId, ForeignKey("user.id")),
        Column("created_at", Utc, nullable=False),
    )
)
detector = (
    Table(  # networks from elsewhere; the model file lies in a blob. A row never changes but to be removed
        "detector",
        metadata,
        _id(),
        Column("name", sa.String(200), nullable=False),
        Column("model_sha256", sa.String(64), nullable=False),
        Column("size_bytes", BigId, nullable=False),
        Column("spec", Json, nullable=False),  # core.detector.DetectorSpec
        Column("signature", Json, nullable=False),  # core.detector.Signature
        Column("created_by", BigId, ForeignKey("user.id")),
        Column("created_at", Utc, nullable=False),
        Column("removed_at", Utc),
    )
)
upload = Table(
    "upload",
    metadata,
    Column("id", sa.String(64), primary_key=True),
    Column("user_id", BigId, nullable=False),
    Column("name", sa.String(500), nullable=False),
    Column("blob", sa.String(100), nullable=False),
    Column("size_bytes", BigId, nullable=False),
    Column("created_at", Utc, nullable=False),
)
job = Table(
    "job",
    metadata,
    _id(),
    Column("project_id", BigId, ForeignKey("project.id")),
    Column("kind", sa.String(20), nullable=False),  # import | export | predict | learn | accept
    Column("state", sa.String(12), nullable=False, default="queued"),
    Column("params", Json, nullable=False),
    Column("cursor", Json, nullable=False),  # where to go on after a restart
    Column("done", BigId, nullable=False, default=0),
    Column("total", BigId),
    Column("message", sa.Text, nullable=False, default=""),
    Column("report", Json, nullable=False),
    Column("worker", sa.String(100)),
    Column("lease_until", Utc),
    Column("wake_at", Utc),  # a queued job sleeps until then
    Column("attempts", sa.Integer, nullable=False, default=0),
    Column("cancel_wanted", sa.Boolean, nullable=False, default=False),
    Column("created_by", BigId),
    Column("created_at", Utc, nullable=False),
    Column("started_at", Utc),
    Column("finished_at", Utc),
    Index("ix_job_state_id", "state", "id"),
    Index("ix_job_project_id_id", "project_id", "id"),
)
import_problem = Table(
    "import_problem",
    metadata,
    _id(),
    Column("job_id", BigId, ForeignKey("job.id"), nullable=False),
    Column("where", sa.String(700), nullable=False),
    Column("code", sa.String(60), nullable=False),
    Column("message", sa.Text, nullable=False),
    Column("blob", sa.String(64)),  # the bytes of an image that cannot be used
    Index("ix_import_problem_job_id_id", "job_id", "id"),
)
