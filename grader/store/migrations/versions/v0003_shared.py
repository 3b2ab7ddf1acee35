"""What several servers share for a while: tries to sign in, who reads which answer, pages to be written."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def _texts(*names: str, key: bool = False) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String, primary_key=key, nullable=False) for name in names]


def upgrade() -> None:
    """Adds the tables; their rows come and go."""
    op.create_table("sign_in_tries", sa.Column("id", sa.Integer, primary_key=True), *_texts("name", "address", "at"))
    for column in ("name", "address", "at"):
        op.create_index(f"ix_sign_in_tries_{column}", "sign_in_tries", [column])
    attempt = sa.Column("attempt_id", sa.Integer, nullable=False)
    op.create_table("presence", *_texts("who", "assignment", "criterion", key=True), attempt, *_texts("at"))
    op.create_table("stale_pages", *_texts("assignment", "student_key", key=True), *_texts("since", "at"))
