"""``alpha.png``: how the choice in each slot grew over the epochs of a search."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from evaluators.epoch_report import EpochReport, Probabilities
from experiments.drawing.palette import INK, PALE, Dashes, Look, looks, spoken

_COLUMNS = 4
"""Slots of a row: two cells, which in the MSI space make a stage."""
_DOTS: Dashes = (0, (1, 2))


def draw_alpha(reports: Sequence[EpochReport], file: Path, *, chosen: Mapping[str, str]) -> bool:
    """Draw one chart per slot: the probability of each candidate over the epochs.

    The chosen candidate's curve is bold and ends in a dot, its name stands above the chart with
    its last probability; the dotted line is where all candidates are equally likely. The entropy is
    that of the last epoch, beside the most the slot can have.

    Args:
        reports: of the epochs, oldest first.
        file: a PNG, replaced.
        chosen: slot label -> candidate of the genotype.

    Returns:
        Whether there was anything to draw; without an epoch no file is written.

    Raises:
        ValueError: if a slot has no choice, or a candidate it does not offer.
    """
    if not reports:
        return False
    alpha_figure(reports, chosen).savefig(file, format="png")
    return True


def alpha_figure(reports: Sequence[EpochReport], chosen: Mapping[str, str]) -> Figure:
    """What `draw_alpha` draws, of one epoch or more; one chart per slot, in the slots' order."""
    slots = reports[-1].probabilities
    _check(slots, chosen)
    look = looks(tuple(dict.fromkeys(name for slot in slots.values() for name in slot)))
    columns = min(_COLUMNS, len(slots))
    rows = math.ceil(len(slots) / columns)
    figure = Figure(figsize=(3.1 * columns + 0.5, 2.3 * rows + 0.9), dpi=120, facecolor="white")
    figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.06, hspace=0.03, wspace=0.01)
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes in grid.flat[len(slots) :]:
        figure.delaxes(axes)
    for place, (axes, slot) in enumerate(zip(grid.flat, slots, strict=False)):
        _chart(axes, slot, reports, chosen[slot], look)
        axes.tick_params(labelbottom=place + columns >= len(slots))
    _dress(figure, grid[0, 0], look)
    return figure


def _check(probabilities: Probabilities, chosen: Mapping[str, str]) -> None:
    for slot, candidates in probabilities.items():
        if chosen.get(slot) not in candidates:
            raise ValueError(
                f"The choice of slot {slot} is {chosen.get(slot)!r}: one of"
                f" {', '.join(candidates)} was needed; draw a search with its own genotype."
            )


def _chart(
    axes: Axes,
    slot: str,
    reports: Sequence[EpochReport],
    chosen: str,
    look: Mapping[str, Look],
) -> None:
    epochs = [report.epoch for report in reports]
    last = reports[-1].probabilities[slot]
    axes.axhline(1 / len(last), color=PALE, linewidth=1, linestyle=_DOTS, zorder=1, gid="even")
    few = len(epochs) <= 12  # a curve of so few points shows them
    for name in sorted(last, key=lambda name: name == chosen):  # the chosen one on top
        mine = name == chosen
        axes.plot(
            epochs,
            [report.probabilities[slot][name] for report in reports],
            color=look[name].colour,
            linestyle="-" if mine else look[name].dashes,
            linewidth=2.6 if mine else 1.3,
            marker="." if few else "",
            markersize=7 if mine else 4,
            zorder=3 if mine else 2,
            gid="curve",
        )
    axes.plot(
        epochs[-1],
        last[chosen],
        marker="o",
        markersize=7,
        markeredgecolor="white",
        color=look[chosen].colour,
        clip_on=False,
        zorder=4,
    )
    _caption(axes, slot, chosen, last, look)


def _caption(
    axes: Axes, slot: str, chosen: str, last: Mapping[str, float], look: Mapping[str, Look]
) -> None:
    most = math.log(len(last))
    entropy = -sum(p * math.log(p) for p in last.values() if p > 0)
    axes.set_title(slot.replace("_", "  "), loc="left", fontsize=9, color=INK, pad=20)
    axes.set_title(
        f"entropy {entropy:.2f} of {most:.2f} nats", loc="right", fontsize=8, color=INK, pad=20
    )
    axes.annotate(
        f"{spoken(chosen)}  {last[chosen]:.0%}",
        xy=(0, 1),
        xytext=(0, 6),
        xycoords="axes fraction",
        textcoords="offset points",
        color=look[chosen].colour,
        fontsize=9,
        fontweight="bold",
    )


def _dress(figure: Figure, first: Axes, look: Mapping[str, Look]) -> None:
    first.set_ylim(-0.02, 1.02)
    first.set_yticks([0, 0.5, 1])
    first.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
    for axes in figure.axes:
        axes.tick_params(labelsize=8, colors=INK, length=3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(PALE)
        axes.margins(x=0.03)
    handles = [
        *(_key(spoken(name), one.colour, one.dashes) for name, one in look.items()),
        _key("equally likely", PALE, _DOTS, linewidth=1.3),
        _key(
            "chosen", INK, (0, ()), linewidth=2.6, marker="o", markeredgecolor="white", markersize=8
        ),
    ]
    figure.legend(
        handles=handles,
        loc="outside upper center",
        ncols=max(1, int(figure.get_figwidth() / 1.5)),
        frameon=False,
        fontsize=9,
        labelcolor=INK,
    )
    figure.supxlabel("epoch", fontsize=9, color=INK)
    figure.supylabel("probability", fontsize=9, color=INK)


def _key(label: str, colour: str, dashes: Dashes, **more: Any) -> Line2D:
    return Line2D(
        [], [], label=label, color=colour, linestyle=dashes, **({"linewidth": 1.8} | more)
    )
