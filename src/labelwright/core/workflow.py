"""An asset's status as one pure function of the facts.

Hides the rules by which an asset moves from `new` to `labelled`; the store keeps the outcome beside the facts, in the
same transaction.
"""

from labelwright.core.asset import Status
from labelwright.core.value import Value


class Facts(Value):
    """What is known about one asset.

    Attributes:
        predicted: A current prediction exists.
        authors: People whose submission counts (not taken back).
        skippers: People who set it aside.
        people_wanted: How many submissions make it done.
        accepted: The prediction lies above a threshold from which a manager accepts answers unseen.
    """

    predicted: bool = False
    authors: frozenset[int] = frozenset()
    skippers: frozenset[int] = frozenset()
    people_wanted: int = 1
    accepted: bool = False


def status(facts: Facts) -> Status:
    """The stage an asset has reached; independent of the order in which the facts arose."""
    if len(facts.authors) >= facts.people_wanted:
        return "labelled"
    if facts.authors:
        return "in_progress"
    if facts.skippers:
        # Set aside, but not lost: it goes last in the queue of everybody else, and a manager sees it in the table.
        return "skipped"
    if not facts.predicted:
        return "new"
    return "accepted" if facts.accepted else "predicted"


def is_open(stage: Status, *, audit: bool = False) -> bool:
    """Whether the queue may still hand the asset out; an accepted one only where it was drawn for an `audit`."""
    return audit if stage == "accepted" else stage != "labelled"


def waits_for(user_id: int, facts: Facts) -> bool:
    """Whether this person can still be asked: the asset is open and they neither answered nor skipped it."""
    return (
        is_open(status(facts), audit=True) and user_id not in facts.authors and user_id not in facts.skippers
    )


WAYS_ON: dict[Status, frozenset[Status]] = {
    "new": frozenset({"predicted", "in_progress", "labelled", "skipped"}),
    "predicted": frozenset({"accepted", "in_progress", "labelled", "skipped"}),
    "accepted": frozenset({"predicted", "in_progress", "labelled", "skipped"}),
    "in_progress": frozenset({"labelled", "predicted", "new", "skipped"}),
    "labelled": frozenset({"in_progress", "accepted", "predicted", "new", "skipped"}),
    "skipped": frozenset({"in_progress", "labelled", "predicted", "new"}),
}
"""Statuses reachable from each by more facts; never empty, so nothing gets stuck."""
