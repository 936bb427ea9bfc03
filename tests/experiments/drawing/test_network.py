"""A drawing is true: its slots hold what the genotype holds, its sizes are those of the network."""

import re
from collections import Counter
from xml.etree.ElementTree import Element, fromstring, tostring

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.drawing.glyphs import HALF, MEANINGS, REACH, SIGNS
from experiments.drawing.network import network_svg
from experiments.drawing.style import DARK, STYLES
from nas_space import genotype as genotypes
from nas_space.genotype import CANDIDATES, MSI_SLOTS, PUBLISHED, Genotype
from nas_space.interactions import INTERACTIONS
from nas_space.msinet import Cell, MSINet

SVG = "{http://www.w3.org/2000/svg}"
FOUND = PUBLISHED["msinet_msmt17"]
NAMES = st.sampled_from(CANDIDATES["msi"])
GENOTYPES = st.tuples(*[NAMES] * len(MSI_SLOTS)).map(
    lambda names: Genotype("msi", dict(zip(MSI_SLOTS, names, strict=True)))
)


def slots_of(drawing: Element) -> dict[str, Element]:
    return {label: g for g in drawing.iter(f"{SVG}g") if (label := g.get("data-slot"))}


def words_of(drawing: Element) -> list[str]:
    return [text.text or "" for text in drawing.iter(f"{SVG}text")]


def shapes_of(group: Element) -> list[str]:
    """What is drawn in a group, without its words and where it stands."""
    return [tostring(child, encoding="unicode").strip() for child in group]


@settings(max_examples=20)
@given(GENOTYPES)
def test_the_slots_hold_what_the_genotype_holds(genotype: Genotype) -> None:
    drawing = fromstring(network_svg(genotype))
    slots = slots_of(drawing)
    assert list(slots) == list(MSI_SLOTS)  # from the input to the output
    assert {label: g.get("data-interaction") for label, g in slots.items()} == genotype.slots
    kinds = Counter(g.get("data-interaction") for g in slots.values())
    assert kinds == Counter(genotype.slots.values())
    signs = {g.get("data-sign"): shapes_of(g) for g in drawing.iter(f"{SVG}g")}
    for label, group in slots.items():
        title, *sign, name = shapes_of(group)
        assert sign == signs[genotype.slots[label]]  # the sign the legend explains
        assert f">{genotype.slots[label].replace('_', ' ')}<" in name
        assert MEANINGS[genotype.slots[label]] in title


@settings(max_examples=20)
@given(GENOTYPES, st.sampled_from(MSI_SLOTS), NAMES)
def test_another_candidate_in_one_slot_changes_that_slot_and_no_other(
    genotype: Genotype, label: str, name: str
) -> None:
    other = Genotype("msi", {**genotype.slots, label: name})
    before, after = (slots_of(fromstring(network_svg(g))) for g in (genotype, other))
    changed = [slot for slot in MSI_SLOTS if shapes_of(before[slot]) != shapes_of(after[slot])]
    assert changed == ([] if name == genotype.slots[label] else [label])


def test_every_interaction_has_a_sign_and_a_meaning() -> None:
    assert set(SIGNS) == set(MEANINGS) == set(INTERACTIONS)


def test_what_joins_the_branches_and_what_does_not() -> None:
    drawing = fromstring(network_svg(FOUND))
    signs = {g.get("data-sign"): g for g in drawing.iter(f"{SVG}g")}
    apart = [f"M{-REACH:g} {y:g}H{REACH:g}" for y in (-HALF, HALF)]
    assert [path.get("d") for path in signs["none"]] == apart
    for interaction in ("channel_gate", "cross_attention"):
        drawn = [path.get("d") for path in signs[interaction].iter(f"{SVG}path")]
        assert drawn[:2] == apart  # the branches go on
        assert len(drawn) > 2  # and are told something
    crossing = [re.findall(r"-?[0-9]+", path.get("d", "")) for path in signs["exchange"]]
    heights = {(numbers[1], numbers[-1]) for numbers in crossing}  # of either end
    assert heights == {(f"{-HALF:g}", f"{HALF:g}"), (f"{HALF:g}", f"{-HALF:g}")}


@settings(max_examples=10)
@given(depths=st.tuples(st.integers(1, 8), st.integers(1, 8)))
def test_branches_are_as_deep_as_they_are_drawn(depths: tuple[int, int]) -> None:
    drawing = fromstring(network_svg(FOUND, depths=depths))
    cells = [g for g in drawing.iter(f"{SVG}g") if g.get("data-cell")]
    assert [cell.get("data-cell") for cell in cells] == list("012345")
    network = MSINet(FOUND, width=0.25, depths=depths)
    for cell, real in zip(cells, network.backbone.cells, strict=True):
        blocks = [rect for rect in cell.findall(f"{SVG}rect") if rect.get("class") == "block"]
        heights = Counter(float(block.get("y", "")) for block in blocks)
        *branches, shortcut = [heights[y] for y in sorted(heights)] + [0] * (len(heights) == 2)
        assert branches == [2 + 2 * depth for depth in depths]  # 1x1 at either end
        assert shortcut == (not isinstance(real.shortcut, torch.nn.Identity))


@pytest.mark.parametrize("local_branch", [True, False])
@pytest.mark.parametrize(("width", "image"), [(1.0, (256, 128)), (0.5, (64, 64)), (0.25, (70, 37))])
def test_the_sizes_are_those_of_the_network(
    width: float, image: tuple[int, int], local_branch: bool
) -> None:
    network = MSINet(FOUND, width=width, local_branch=local_branch).eval()
    shapes: list[tuple[str, str]] = []

    def note(module: torch.nn.Module, inputs: object, output: torch.Tensor) -> None:
        shapes.append((type(module).__name__, " × ".join(map(str, output.shape[1:]))))  # noqa: RUF001

    backbone = network.backbone
    watched = [backbone.stem, *backbone.cells, *backbone.downs]
    for module in watched + ([network.reduce] if local_branch else []):
        module.register_forward_hook(note)
    with torch.no_grad():
        network(torch.zeros(1, 3, *image))
    drawing = fromstring(network_svg(FOUND, width=width, image=image, local_branch=local_branch))
    words = words_of(drawing)
    assert {shape for _, shape in shapes} <= set(words)
    for number, cell in enumerate(backbone.cells):
        assert isinstance(cell, Cell)
        inputs, branch = cell.enter_a[0].in_channels, cell.enter_a[0].out_channels
        outputs = cell.leave_a[0].out_channels
        at = words.index(f"Cell {number}")
        assert words[at + 1] == f"{inputs} → {outputs} channels, {branch} in a branch"
    assert f"embedding: {network.dimensions}" in words
    assert ("local head" in words) == local_branch


@settings(max_examples=30)
@given(title=st.text(max_size=100))
def test_any_title_is_valid_and_can_be_read_back(title: str) -> None:
    text = network_svg(FOUND, title=title)
    drawing = fromstring(text.encode())
    named = drawing.find(f"{SVG}title")
    assert named is not None
    if title.isprintable() and title:
        assert named.text == title
        assert words_of(drawing)[0] in (title, title[:71] + "\N{HORIZONTAL ELLIPSIS}")


def test_markup_in_a_title_is_only_text() -> None:
    text = network_svg(FOUND, title='<script>x</script> & "y" ]]> \x00')
    assert "<script" not in text
    assert "\x00" not in text
    assert fromstring(text)[0].text == '<script>x</script> & "y" ]]> \N{REPLACEMENT CHARACTER}'


def test_a_reader_who_sees_nothing_is_told_every_slot() -> None:
    drawing = fromstring(network_svg(FOUND))
    assert drawing.get("role") == "img"
    told = {child.get("id"): child.text or "" for child in drawing if child.get("id")}
    assert drawing.get("aria-labelledby", "").split() == list(told)
    for label, name in FOUND.slots.items():
        assert f"{label}: {name.replace('_', ' ')}" in told["network-description"]


def test_the_drawing_needs_nothing_from_anywhere() -> None:
    text = network_svg(FOUND).replace("http://www.w3.org/2000/svg", "")
    assert not re.search("http|href|url|@import|<script|<image", text)


def test_every_class_in_use_has_a_style() -> None:
    classes = {
        name
        for element in fromstring(network_svg(FOUND)).iter()
        for name in element.get("class", "").split()
    }
    styled = {
        name for rules in STYLES.values() for look in rules for name in re.findall(r"\w+", look)
    }
    assert classes <= styled


@pytest.mark.parametrize("media", ["", DARK])
def test_words_stand_out_from_light_and_dark_ground(media: str) -> None:
    rules = STYLES[media]

    def fill(look: str) -> str:
        found = re.search("fill:(#[0-9a-fA-F]{6})", rules[look])
        assert found
        return found[1]

    labels = [look for look in rules if look.endswith(".letter")]
    assert len(labels) == len(INTERACTIONS)
    for look in ["ink", "muted", "small", "head", "title", *labels]:
        for ground in ("paper", "card"):
            assert contrast(fill(look), fill(ground)) >= 4.5  # WCAG 2.1, success criterion 1.4.3
    for look in ("small", "ink", "muted"):
        assert contrast(fill(look), fill("block")) >= 4.5


def contrast(first: str, second: str) -> float:
    """Of two colours, as WCAG 2.1 defines it."""
    lighter, darker = sorted((luminance(first), luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def test_a_genotype_of_another_space_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(genotypes.SLOTS, "other", ("a",))
    monkeypatch.setitem(genotypes.CANDIDATES, "other", ("x",))
    with pytest.raises(ValueError, match="A genotype of the other space was given: only"):
        network_svg(Genotype("other", {"a": "x"}))
