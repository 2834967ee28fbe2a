"""What confidences of real models are worth: calibration, selective trust and estimates, by simulation on recorded answers.

    python benchmarks/trust.py [--draws 1000]

Calibration is fitted on one half of the answers (split by a hash) and judged on the other half. Selective trust: in each
draw a random audit sample is taken, the loosest threshold that may be promised is chosen, and the promise is compared
with the truth of everything above it. Estimates: how often the interval of the accuracy holds the truth.
"""

import argparse
import csv
import gzip
import hashlib
import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from labelwright.core import calibration, trust
from labelwright.core.queue import EVERYTHING
from labelwright.core.stats import auroc, ece
from labelwright.core.trust import Population, Promise, Review


@dataclass(frozen=True)
class Answered:
    """Recorded answers of one model: key, confidence and whether right, each (n,)."""

    name: str
    keys: list[str]
    scores: NDArray[np.float64]
    right: NDArray[np.bool_]


@dataclass(frozen=True)
class Calibrated:
    """Figures of one model on the half that was not fitted."""

    name: str
    fitted_on: int
    judged_on: int
    method: str
    accuracy: float
    ece_before: float
    ece_after: float
    ece_chance: float  # what perfectly calibrated confidences would show on so many answers, by chance
    auroc: float | None
    early: float  # share of the errors in the first fifth by rising confidence


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def _made(groups: dict[str, list[tuple[str, float, bool]]]) -> list[Answered]:
    return [
        Answered(
            name,
            [key for key, _, _ in rows],
            np.clip(np.array([score for _, score, _ in rows]), 0, 1),
            np.array([right for _, _, right in rows]),
        )
        for name, rows in sorted(groups.items())
        if rows
    ]


def imdb(shared: Path) -> list[Answered]:
    """Token probabilities of text-curie-001; answers that were neither word have confidence 0."""
    rows = [
        (str(row["key"]), float(row["gpt3_conf"] or 0.0), row["gpt3_pred"] == row["gold"])
        for row in _lines(shared / "data/recorded/imdb_gpt3_curie_conf.jsonl.gz")
    ]
    return _made({"imdb text-curie-001 token": rows})


def boolq_sciq(shared: Path) -> list[Answered]:
    """Verbal confidence of each model, and token probabilities where they were recorded."""
    folder = shared / "data/recorded"
    items = {row["id"]: row for row in _lines(folder / "boolq_sciq_items.jsonl.gz")}
    groups: dict[str, list[tuple[str, float, bool]]] = defaultdict(list)
    for row in _lines(folder / "boolq_sciq_responses.jsonl.gz"):
        item, said = items.get(row["item_id"]), row.get("pred")
        if item is None or said is None:
            continue
        right = str(said).strip().lower() == str(item["gold"]).strip().lower()
        name = f"{item['dataset']} {row['model']}"
        verbal = row.get("verbal_confidence")
        if isinstance(verbal, int | float):
            score = float(verbal) / 100 if verbal > 1 else float(verbal)
            groups[f"{name} verbal"].append((row["item_id"], score, right))
        tokens = {str(k).strip().lower(): float(v) for k, v in (row.get("token_probs") or {}).items() if v}
        if tokens.get(str(said).strip().lower()) is not None:
            score = tokens[str(said).strip().lower()] / max(sum(tokens.values()), 1e-12)
            groups[f"{name} token"].append((row["item_id"], score, right))
    return _made(groups)


def mcq(shared: Path) -> list[Answered]:
    """Highest option probability from token logits, eight models on five sets."""
    groups: dict[str, list[tuple[str, float, bool]]] = defaultdict(list)
    with gzip.open(shared / "data/recorded/mcq_token_confidence.csv.gz", "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["grade"] != "Unparseable":
                score = float(row["max_option_probability"])
                groups[f"mcq {row['dataset']} {row['model']}"].append(
                    (row["question_index"], score, row["grade"] == "Correct")
                )
    return _made(groups)


def deductive(shared: Path) -> list[Answered]:
    """Verbal confidence in one of 31 codes, all runs and context levels of a model together, split by item."""
    folder = shared / "data/recorded"
    gold = {row["id"]: row for row in _lines(folder / "deductive_coding_items.jsonl.gz")}
    groups: dict[str, list[tuple[str, float, bool]]] = defaultdict(list)
    for row in _lines(folder / "deductive_coding_responses.jsonl.gz"):
        sure = row.get("confidence_verbal")
        if row["item_id"] in gold and row.get("pred_code") and sure is not None:
            score = float(sure) / 100 if float(sure) > 1 else float(sure)
            groups[f"deductive {row['model']} verbal"].append(
                (row["item_id"], score, row["pred_code"] == gold[row["item_id"]]["gold_code"])
            )
    return _made(groups)


def half(keys: list[str]) -> NDArray[np.bool_]:
    """Fixed halves by key, so that answers about one item are on one side."""
    return np.array([hashlib.sha256(f"trust|{key}".encode()).digest()[0] % 2 == 0 for key in keys])


def calibrate(found: Answered) -> Calibrated:
    """Fit on one half, judge on the other."""
    fitted = half(found.keys)
    p, y = found.scores[~fitted], found.right[~fitted]
    made = calibration.fit(found.scores[fitted], found.right[fitted])
    first = np.argsort(p, kind="stable")[: round(len(p) * 0.2)]
    q, rng = made.apply(p), np.random.default_rng(0)
    chance = float(np.mean([ece(q, rng.random(len(q)) < q) for _ in range(30)]))
    return Calibrated(
        found.name, int(fitted.sum()), len(p), made.method, float(y.mean()), ece(p, y), ece(q, y), chance,
        auroc(p, y), float((~y[first]).sum() / max(1, (~y).sum())),
    )  # fmt: skip


@dataclass(frozen=True)
class Trusted:
    """Outcome of many draws of an audit sample.

    Attributes:
        kept: Share of draws in which the promise held (nothing accepted holds it).
        accepted: Share of draws in which anything could be accepted.
        coverage: Mean share of answers accepted, over all draws.
        naive: Share of draws in which it would have held, had the loosest threshold with a good enough sample been taken.
    """

    name: str
    promise: Promise
    audits: int
    kept: float
    accepted: float
    coverage: float
    naive: float


def simulate_trust(found: Answered, promise: Promise, audits: int, draws: int, seed: int = 0) -> Trusted:
    """Draw audit samples from all answers with a confidence and accept by them."""
    rng = np.random.default_rng(seed)
    n = len(found.scores)
    everyone = Population(np.arange(n), found.scores, [frozenset()] * n, np.ones(n, dtype=bool))
    thresholds = trust.grid(found.scores)
    inside = np.array([found.scores >= t for t in thresholds])
    truth = np.array([found.right[i].mean() for i in inside])
    kept = accepted = naive = 0
    coverage = 0.0
    fitted = calibration.Calibration()
    for _ in range(draws):
        sample = rng.choice(n, size=min(audits, n), replace=False)
        reviews = [Review(int(i), float(found.scores[i]), bool(found.right[i]), EVERYTHING) for i in sample]
        steps = trust.steps(everyone, reviews, fitted, promise)
        at = trust.choose(steps, promise)
        accepted += at is not None
        kept += at is None or truth[at] >= promise.accuracy
        coverage += inside[at].mean() if at is not None else 0.0
        good = [i for i, s in enumerate(steps) if s.audits and 1 - s.wrong / s.audits >= promise.accuracy]
        naive += not good or truth[good[-1]] >= promise.accuracy
    return Trusted(
        found.name, promise, min(audits, n), kept / draws, accepted / draws, coverage / draws, naive / draws
    )


def simulate_looking(
    found: Answered, promise: Promise, every: int, most: int, draws: int, seed: int = 0
) -> float:
    """Share of draws in which the promise holds for somebody who looks after every few audits and accepts at once."""
    rng = np.random.default_rng(seed)
    n = len(found.scores)
    thresholds = trust.grid(found.scores)
    inside = np.array([found.scores >= t for t in thresholds])
    truth = np.array([found.right[i].mean() for i in inside])
    kept = 0
    for _ in range(draws):
        order = rng.choice(n, size=min(most, n), replace=False)
        at = None
        for audits in range(every, len(order) + 1, every):
            seen, wrong = inside[:, order[:audits]], ~found.right[order[:audits]]
            at = trust.loosest([(int(i.sum()), int((i & wrong).sum())) for i in seen], promise)
            if at is not None:
                break
        kept += at is None or truth[at] >= promise.accuracy
    return kept / draws


def simulate_estimates(
    found: Answered, checks: int, least: int, draws: int, seed: int = 0
) -> tuple[float, float, float]:
    """(share of intervals that hold the truth, mean half width, half width of a plain random sample of `checks`).

    `least` answers with the lowest confidence were reviewed first, and `checks` at random among the others.
    """
    rng = np.random.default_rng(seed)
    n = len(found.scores)
    everyone = Population(np.arange(n), found.scores, [frozenset()] * n, np.ones(n, dtype=bool))
    order = np.argsort(found.scores, kind="stable")
    held, width = 0, 0.0
    truth = float(found.right.mean())
    for _ in range(draws):
        drawn = rng.choice(order[least:], size=checks, replace=False)
        reviews = [
            Review(int(i), float(found.scores[i]), bool(found.right[i]), above)
            for some, above in ((order[:least], None), (drawn, EVERYTHING))
            for i in some
        ]
        scores, right = [r.score or 0.0 for r in reviews], [r.right for r in reviews]
        fitted = calibration.fit(scores, right, trust.weights(everyone, reviews))
        outlook = trust.outlook(everyone, reviews, fitted)
        held += outlook.accuracy.low <= truth <= outlook.accuracy.high
        width += outlook.half_width
    return held / draws, width / draws, 1.96 * float(np.sqrt(truth * (1 - truth) / checks))


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--draws", type=int, default=1_000)
    args = parser.parse_args()
    root = Path(__file__).resolve().parent.parent
    shared = Path(os.environ.get("LABELWRIGHT_DATA", root.parent / "shared"))
    if not (shared / "data").is_dir():
        sys.exit(f"{shared} holds no data; set LABELWRIGHT_DATA")
    print(
        "| answers | fitted on | judged on | method | accuracy | ECE before | after | by chance | AUROC | errors in first 20 % |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for load in (imdb, boolq_sciq, mcq, deductive):
        for found in load(shared):
            c = calibrate(found)
            print(
                f"| {c.name} | {c.fitted_on} | {c.judged_on} | {c.method} | {c.accuracy:.3f} | {c.ece_before:.3f} | "
                f"{c.ece_after:.3f} | {c.ece_chance:.3f} | {c.auroc or 0:.3f} | {c.early:.1%} |"
            )
    print(
        "\n| answers | promised accuracy | certainty | audits | promise kept | something accepted | coverage | naive |"
    )
    print("|---|---|---|---|---|---|---|---|")
    sets = [*imdb(shared), *deductive(shared)]
    for found in sets:
        for accuracy, certainty in ((0.95, 0.95), (0.95, 0.9), (0.9, 0.95), (0.8, 0.9), (0.6, 0.9)):
            for audits in (200, 500):
                s = simulate_trust(found, Promise(accuracy=accuracy, certainty=certainty), audits, args.draws)
                if s.accepted > 0 or s.naive < 1:
                    print(
                        f"| {s.name} | {accuracy:.0%} | {certainty:.0%} | {s.audits} | {s.kept:.1%} | {s.accepted:.1%} | "
                        f"{s.coverage:.2f} | {s.naive:.1%} |"
                    )
    print("\nLooking after every 50 audits up to 500 and accepting at once:")
    for found in sets:
        for accuracy, certainty in ((0.95, 0.95), (0.9, 0.95), (0.8, 0.9)):
            kept = simulate_looking(
                found, Promise(accuracy=accuracy, certainty=certainty), 50, 500, args.draws
            )
            print(f"| {found.name} | {accuracy:.0%} | {certainty:.0%} | {kept:.1%} |")
    print(
        "\n| answers | least confident reviewed | random checks | interval holds | half width | plain sample |"
    )
    print("|---|---|---|---|---|---|")
    for found in sets:
        for checks, least in ((60, 0), (100, 300), (300, 300)):
            held, width, plain = simulate_estimates(found, checks, least, max(20, args.draws // 5))
            print(f"| {found.name} | {least} | {checks} | {held:.1%} | {width:.3f} | {plain:.3f} |")


if __name__ == "__main__":
    main()
