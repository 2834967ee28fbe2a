"""Images: what is known of each content, and what its file was called."""

import sqlalchemy as sa
from alembic import op

from labelwright.store.tables import Json, Utc

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A table of image contents, a name beside the content of an asset, the bytes of bad images."""
    op.add_column("import_problem", sa.Column("blob", sa.String(length=64), nullable=True))
    op.add_column("asset_content", sa.Column("file_name", sa.String(length=1000), nullable=True))
    op.create_table(
        "picture",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("format", sa.String(length=20), nullable=False),
        sa.Column("notes", Json, nullable=False),
        sa.Column("levels", sa.Integer(), nullable=False),
        sa.Column("display", sa.String(length=64), nullable=False),
        sa.Column("preview", sa.String(length=64), nullable=False),
        sa.Column("thumbnail", sa.String(length=64), nullable=False),
        sa.Column("tiles", sa.String(length=64), nullable=True),
        sa.Column("created_at", Utc, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_picture")),
    )
