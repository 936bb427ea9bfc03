"""The picture of a search shows every probability of every slot, and which candidate was chosen."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from PIL import Image

from evaluators.epoch_report import EpochReport
from experiments.drawing.alpha import alpha_figure, draw_alpha
from experiments.drawing.palette import looks, spoken

Alpha = dict[str, dict[str, float]]


def reports(*epochs: Alpha) -> list[EpochReport]:
    return [
        EpochReport(
            epoch=epoch,
            epochs=len(epochs),
            loss=1.0,
            val_loss=None,
            mAP=None,
            rank1=None,
            entropy=0.0,
            none_share=0.0,
            learning_rate=1.0,
            arch_learning_rate=None,
            probabilities=probabilities,
            genotype={slot: next(iter(ps)) for slot, ps in probabilities.items()},
            seconds=1.0,
        )
        for epoch, probabilities in enumerate(epochs, start=1)
    ]


def curves(axes: Axes) -> list[tuple[float, list[float]]]:
    """(line width, values) of all curves over the epochs, thin ones first."""
    lines = [line for line in axes.get_lines() if line.get_gid() == "curve"]
    return sorted((line.get_linewidth(), values_of(line)) for line in lines)


def values_of(line: Line2D) -> list[float]:
    return [float(y) for y in np.asarray(line.get_ydata())]


@st.composite
def searches(draw: st.DrawFn) -> tuple[list[Alpha], dict[str, str]]:
    """Probabilities per epoch, slots with candidates of their own, and any choice."""
    names = st.lists(
        st.sampled_from(["none", "exchange", "channel_gate", "conv3x3", "skip", "p"]),
        min_size=1,
        max_size=6,
        unique=True,
    )
    slots = {f"slot{i}": draw(names) for i in range(draw(st.integers(1, 6)))}
    share = st.floats(0, 1)
    epochs = [
        {slot: {c: draw(share) for c in candidates} for slot, candidates in slots.items()}
        for _ in range(draw(st.integers(1, 3)))
    ]
    return epochs, {slot: draw(st.sampled_from(names)) for slot, names in slots.items()}


@settings(max_examples=15)
@given(searches())
def test_every_slot_has_a_chart_with_every_candidate_and_the_chosen_one_bold(
    search: tuple[list[Alpha], dict[str, str]],
) -> None:
    epochs, chosen = search
    figure = alpha_figure(reports(*epochs), chosen)
    assert [axes.get_title("left") for axes in figure.axes] == list(epochs[0])
    for axes, (slot, choice) in zip(figure.axes, chosen.items(), strict=True):
        found = curves(axes)
        assert sorted(values for _, values in found) == sorted(
            [epoch[slot][name] for epoch in epochs] for name in epochs[0][slot]
        )
        assert found[-1][1] == [epoch[slot][choice] for epoch in epochs]
        assert [width for width, _ in found].count(found[-1][0]) == 1
        assert axes.texts[0].get_text().startswith(f"{spoken(choice)}  ")


def test_share_and_entropy_of_a_slot_worked_out_by_hand() -> None:
    # -(0.5 ln 0.5 + 2 x 0.25 ln 0.25) = 0.3466 + 0.6931 = 1.04 nats, of ln 3 = 1.10 at most.
    slot = {"none": 0.25, "exchange": 0.5, "channel_gate": 0.25}
    [axes] = alpha_figure(reports({"cell0_slot0": slot}), {"cell0_slot0": "exchange"}).axes
    assert axes.get_title("right") == "entropy 1.04 of 1.10 nats"
    assert axes.texts[0].get_text() == "exchange  50%"
    [even] = [line for line in axes.get_lines() if line.get_gid() == "even"]
    assert set(values_of(even)) == {1 / 3}


def test_the_legend_names_every_candidate_of_any_slot() -> None:
    alpha = {"a": {"none": 0.5, "exchange": 0.5}, "b": {"none": 0.5, "skip_3x3": 0.5}}
    [legend] = alpha_figure(reports(alpha), {"a": "none", "b": "skip_3x3"}).legends
    words = [text.get_text() for text in legend.get_texts()]
    assert words == ["none", "exchange", "skip 3x3", "equally likely", "chosen"]


def test_the_same_search_is_the_same_file_large_enough_to_read(tmp_path: Path) -> None:
    alpha = {f"cell{i // 2}_slot{i % 2}": {"none": 0.4, "exchange": 0.6} for i in range(12)}
    chosen = dict.fromkeys(alpha, "exchange")
    for name in ("a.png", "b.png"):
        assert draw_alpha(reports(alpha, alpha), tmp_path / name, chosen=chosen)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.png", "b.png"]
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.format == "PNG"
        assert picture.width >= 1200


def test_where_nothing_was_searched_nothing_is_drawn(tmp_path: Path) -> None:
    assert not draw_alpha([], tmp_path / "alpha.png", chosen={"cell0_slot0": "none"})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("chosen", [{}, {"a": "exchange"}])
def test_a_choice_the_slot_does_not_offer_is_refused(
    tmp_path: Path, chosen: dict[str, str]
) -> None:
    with pytest.raises(ValueError, match=r"The choice of slot a is .*: one of none, skip was"):
        draw_alpha(reports({"a": {"none": 0.5, "skip": 0.5}}), tmp_path / "x", chosen=chosen)


@given(st.lists(st.sampled_from([f"op{i}" for i in range(12)]), unique=True, max_size=12))
def test_candidates_look_different_and_those_of_the_space_always_the_same(more: list[str]) -> None:
    known = ["none", "exchange", "channel_gate", "cross_attention"]
    found = looks([*more, *known])
    assert list(found) == [*more, *known]
    assert len(set(found.values())) == len(found)
    assert looks(known) == {name: found[name] for name in known}
