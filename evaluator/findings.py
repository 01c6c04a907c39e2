"""What the demo found, in words: every sentence is made of the run's own numbers and says so when they disagree."""

from typing import Any

Rows = list[dict[str, Any]]


def filter_findings(rows: Rows) -> list[str]:
    levels = ", ".join(f"{row['recall_measured']:.1%} of {row['recall_asked']:.0%} asked" for row in rows)
    lost = max(row["fpr_measured"] for row in rows)
    upper = max(row["fpr_upper"] for row in rows)
    cost = (
        f"No real picture was excluded at any level: FPR ≤ {upper:.2%} at 95 % confidence."
        if lost == 0
        else f"At worst {lost:.2%} of the real pictures were excluded (≤ {upper:.2%} at 95 % confidence)."
    )
    kept = sum(row["recall_measured"] >= row["recall_asked"] for row in rows)
    return [f"The filter excluded {levels}; {kept} of {len(rows)} levels reached what was promised. {cost}"]


def delay_findings(rows: Rows) -> list[str]:
    found = [row for row in rows if row["law"] and row["censored_share"] == 0]
    best = [row for row in rows if row["censored_share"] > 0]
    told = [
        f"recall {row['recall']:g}: {row['delay']:.2f} generations [{row['ci_low']:.2f}, {row['ci_high']:.2f}], "
        f"law {row['law']:.2f}"
        for row in found
    ]
    sentences = ["A filter delays collapse, it does not prevent it. Measured delay: " + "; ".join(told) + "."]
    if found:
        worst = max(abs(row["delay"] - row["law"]) for row in found)
        sentences.append(
            "Every halving of what leaks buys about one generation: the law log2((1−f)/(1−r)) is met within "
            f"{worst:.2f} generations."
        )
    for row in best:
        share = f"{row['censored_share']:.0%} of the runs"
        sentences.append(f"At recall {row['recall']:g}, {share} had not collapsed when the run ended.")
    return sentences


def loop_findings(rows: Rows) -> list[str]:
    def row(loop: str, bias: float) -> dict[str, Any]:
        return next(each for each in rows if each["loop"] == loop and each["sampling_bias"] == bias)

    closed, biased = row("fully_synthetic", 1.0), row("fully_synthetic", 0.7)
    fresh = row("fresh_data", 1.0)
    return [
        f"Fully synthetic, λ = 1: over {closed['generations']} generations the Fréchet distance goes from "
        f"{_step(closed, 'frechet_distance')}, quality (manifold precision) from "
        f"{_step(closed, 'manifold_precision')}, diversity (manifold recall) from {_step(closed, 'manifold_recall')}.",
        f"With sampling bias λ = 0.7 quality goes from {_step(biased, 'manifold_precision')} while diversity goes from "
        f"{_step(biased, 'manifold_recall')}.",
        f"With fresh data in every generation, λ = 1, diversity goes from {_step(fresh, 'manifold_recall')}.",
    ]


def _step(row: dict[str, Any], metric: str) -> str:
    return f"{row[metric]['first']:.2f} to {row[metric]['last']:.2f}"


def curve_findings(rows: Rows) -> list[str]:
    told = []
    for row in rows:
        values = dict(zip(row["recall"], row["frechet_distance"], strict=True))
        told.append(
            f"{row['n_real']:,} fresh real samples per generation, λ = {row['sampling_bias']:g}: best recall "
            f"{row['best_recall']:g} (distance {values[row['best_recall']]:.2f}; {values[0.0]:.2f} unfiltered, "
            f"{values[1.0]:.2f} with everything synthetic filtered out)"
        )
    best = ", ".join(f"{row['best_recall']:g}" for row in rows)
    return [
        f"With fresh real data in every generation the best recall is {best}, by setting, and not always 1: synthetic "
        "samples remember real ones, and throwing all of them away throws that memory away.",
        *told,
    ]


def headlines(summary: dict[str, Any]) -> list[str]:
    """The page in five lines."""
    nine = next(row for row in summary["delay"] if row["recall"] == 0.9)
    level = next(row for row in summary["filter"] if row["recall_asked"] == 0.9)
    blind = next(row for row in summary["amplification"] if row["tagging"] == "blind" and row["recall"] == 0)
    informed = next(row for row in summary["amplification"] if row["tagging"] == "informed")
    worst = max(summary["recall_curve"], key=lambda row: row["frechet_distance"][-1] / min(row["frechet_distance"]))
    return [
        f"Asked to exclude 90 % of the tagged pictures, the filter excluded {level['recall_measured']:.1%} of them and "
        f"{level['fpr_measured']:.2%} of the real ones.",
        f"In a pool that fills up with synthetic data, a filter at recall 0.9 delays collapse by {nine['delay']:.1f} "
        f"generations [{nine['ci_low']:.1f}, {nine['ci_high']:.1f}]; the law says {nine['law']:.1f}.",
        f"More filtering is not always better: with {worst['n_real']:,} fresh real samples per generation and "
        f"λ = {worst['sampling_bias']:g} the best recall is {worst['best_recall']:g}.",
        f"Blind tagging amplifies its own mark ({blind['gain']:.2f} times with half fresh data and no filter); "
        f"informed tagging does not ({informed['gain']:.2f} times).",
    ]


def mark_findings(rows: Rows, closed: Rows) -> list[str]:
    blind = [row for row in rows if row["tagging"] == "blind"]
    informed = next(row for row in rows if row["tagging"] == "informed")
    gains = ", ".join(f"{row['gain']:.2f} at recall {row['recall']:g} (law {row['law']:.2f})" for row in blind)
    by_name = {row["tagging"]: row for row in closed}
    grown, held = by_name["blind"], by_name["informed"]
    return [
        f"Blind tagging amplifies the mark: outputs carry it {gains} times as strongly as it was embedded. "
        "A filter takes the amplification away together with the synthetic data.",
        f"Informed tagging, which adds only what is missing, does not: gain {informed['gain']:.2f} without any filter.",
        f"In a closed loop the blind mark grows by one unit per generation: {grown['published']:.1f} after "
        f"{grown['generation']} generations (law {grown['law']:.0f}), and the Fréchet distance reaches "
        f"{grown['frechet_distance']:.1f} where untagged it is {grown['frechet_distance_untagged']:.2f}; with informed "
        f"tagging the mark stays at {held['published']:.2f} and the distance at {held['frechet_distance']:.2f}.",
    ]
