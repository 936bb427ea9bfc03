"""``network.svg``: a network of the MSI space, with what was found in each of its slots.

Source of what is drawn: MSINet (CVPR 2023), section 3.3, as `nas_space.msinet` builds it.
"""

from dataclasses import dataclass

from experiments.drawing.glyphs import HALF, MEANINGS, REACH, SIGNS
from experiments.drawing.palette import spoken
from experiments.drawing.style import STYLES
from experiments.drawing.svg import Pen, Sheet
from nas_space.genotype import Genotype
from nas_space.heads import Feature
from nas_space.msinet import LOCAL_CHANNELS, STAGE_CHANNELS, STEM_CHANNELS

_WIDTH, _MARGIN = 1280.0, 40.0
_TOP, _ROW = 100.0, 256.0
"""Where the first stage begins, and from one stage to the next."""
_LEFT = 105.0
"""Middle of the column with the stem and the downsamplings."""
_CELL_W, _CELL_H = 500.0, 208.0
_CELLS = (206.0, 740.0)
_MIDDLE = 110.0
_A, _B, _SHORTCUT = _MIDDLE - HALF, _MIDDLE + HALF, 191.0
"""Heights within a cell: between the branches, branch a, branch b, the shortcut."""
_SLOTS = (208.0, 380.0)
_STACKS = (119.0, 294.0)
_STACK_W = 78.0
_X = "\N{MULTIPLICATION SIGN}"
_HALVED = "\N{DIVISION SIGN} 2"
_HEADS = _TOP + 3 * _ROW - 44
_EMBEDDING = 683.0
_LEGEND = _HEADS + 210
_HEIGHT = _LEGEND + 50
_LONGEST = 72
"""Characters of a title that are sure to have room."""


@dataclass(frozen=True)
class _Plan:
    """Sizes of the network: channels and maps of stem, stages and heads."""

    genotype: Genotype
    channels: tuple[int, ...]
    maps: tuple[str, ...]
    depths: tuple[int, int]
    local: int
    feature: Feature

    def shape(self, stage: int, after: int) -> str:
        """Channels of stage 0 (the stem) to 3, on the map of stage ``after``."""
        return f"{self.channels[stage]} {_X} {self.maps[after]}"

    def cell(self, number: int) -> tuple[int, int, int]:
        """Channels that enter a cell, of its branches, and that leave it."""
        stage, second = divmod(number, 2)
        outputs = self.channels[stage + 1]
        inputs = outputs if second else self.channels[stage]
        return inputs, outputs // 4, outputs


def network_svg(
    genotype: Genotype,
    *,
    title: str = "",
    width: float = 1.0,
    depths: tuple[int, int] = (1, 3),
    local_branch: bool = True,
    feature: Feature = "pooled",
    image: tuple[int, int] = (256, 128),
) -> str:
    """Draw the network of a genotype.

    A slot is a group with the attributes ``data-slot`` and ``data-interaction``, a cell one with
    ``data-cell``, a sign of the legend one with ``data-sign``.

    Args:
        genotype: of the MSI space.
        title: above the drawing.
        width: factor on all channels.
        depths: light 3x3 convolutions per half of branch a and of branch b.
        local_branch: whether there is a local head.
        feature: which features an image is described by.
        image: height and width, pixels.

    Returns:
        An SVG document that needs nothing besides itself, for light and dark screens.

    Raises:
        ValueError: if the genotype is of another space.
    """
    if genotype.space != "msi":
        raise ValueError(
            f"A genotype of the {genotype.space} space was given: only networks of the msi space"
            " are drawn."
        )
    height, wide = ((side + 3) // 4 for side in image)  # halved twice, rounded up
    plan = _Plan(
        genotype,
        tuple(round(width * c) for c in (STEM_CHANNELS, *STAGE_CHANNELS)),
        tuple(f"{height >> halved} {_X} {wide >> halved}" for halved in range(3)),
        depths,
        round(width * LOCAL_CHANNELS) if local_branch else 0,
        feature,
    )
    sheet = Sheet(
        _WIDTH,
        _HEIGHT,
        title=title or f"Network {genotype}",
        description="; ".join(f"{slot}: {spoken(name)}" for slot, name in genotype.slots.items()),
        styles=STYLES,
    )
    sheet.box(_WIDTH / 2, _HEIGHT / 2, _WIDTH, _HEIGHT, "paper", round_by=0)
    _headline(sheet, plan, title, width, image)
    _stem(sheet, plan, image)
    for stage in range(3):
        _stage(sheet.group(0, _TOP + stage * _ROW), plan, stage)
    _heads(sheet.group(0, _HEADS), plan)
    _legend(sheet.group(0, _LEGEND))
    return str(sheet)


def _headline(pen: Pen, plan: _Plan, title: str, width: float, image: tuple[int, int]) -> None:
    shown = title if len(title) <= _LONGEST else f"{title[: _LONGEST - 1]}\N{HORIZONTAL ELLIPSIS}"
    pen.text(_MARGIN, 50, shown or "Network", "title", anchor="start")
    a, b = plan.depths
    facts = [
        str(plan.genotype),
        f"image {image[0]} {_X} {image[1]}",
        f"channels {_X} {width:g}",
        f"depth of the branches {a} : {b}",
    ]
    pen.text(_MARGIN, 76, "   ·   ".join(facts), "muted", anchor="start")


def _stem(pen: Pen, plan: _Plan, image: tuple[int, int]) -> None:
    stem = pen.group(0, _TOP)
    tall = 76.0 * min(1.0, image[0] / image[1])
    broad = min(48.0, tall * image[1] / image[0])
    stem.box(62, _MIDDLE, broad, tall, "block", round_by=3)
    stem.text(62, _MIDDLE + 3.5, "image", "small")
    stem.text(62, _MIDDLE + 56, f"3 {_X} {image[0]} {_X} {image[1]}", "small")
    stem.wire((62 + broad / 2, _MIDDLE), (99, _MIDDLE), tip=True)
    _block(stem, 133, 68, "stem", f"7{_X}7 {_HALVED}", f"pool {_HALVED}")
    stem.text(148, _MIDDLE + 56, plan.shape(0, 0), "small")
    stem.wire((167, _MIDDLE), (_CELLS[0], _MIDDLE), tip=True)


def _stage(pen: Pen, plan: _Plan, stage: int) -> None:
    pen.text(_MARGIN, 22, f"Stage {stage + 1}", "head", anchor="start")
    pen.text(_MARGIN, 40, plan.shape(stage + 1, stage), "muted", anchor="start")
    if stage:
        turn = _CELL_H + 24 - _ROW
        pen.wire(
            *((_CELLS[1] + _CELL_W, _MIDDLE - _ROW), (_WIDTH - 18, _MIDDLE - _ROW)),
            *((_WIDTH - 18, turn), (18, turn), (18, _MIDDLE), (_LEFT - 65, _MIDDLE)),
            tip=True,
        )
        _block(pen, _LEFT, 130, "downsampling", f"1{_X}1", f"mean pool {_HALVED}")
        pen.text(_LEFT + 10, _MIDDLE + 56, plan.shape(stage, stage), "small", anchor="start")
        pen.wire((_LEFT + 65, _MIDDLE), (_CELLS[0], _MIDDLE), tip=True)
    for place, x in enumerate(_CELLS):
        _cell(pen.group(x, data_cell=str(2 * stage + place)), plan, 2 * stage + place)
    pen.wire((_CELLS[0] + _CELL_W, _MIDDLE), (_CELLS[1], _MIDDLE), tip=True)


def _cell(pen: Pen, plan: _Plan, number: int) -> None:
    inputs, branch, outputs = plan.cell(number)
    pen.box(_CELL_W / 2, _CELL_H / 2, _CELL_W, _CELL_H, "card", round_by=10)
    pen.text(18, 27, f"Cell {number}", "head", anchor="start")
    channels = f"{inputs} → {outputs} channels, {branch} in a branch"
    pen.text(_CELL_W - 18, 27, channels, "muted", anchor="end")
    _wires(pen)
    pen.circle(18, _MIDDLE, 3, "joint")
    for y, depth in zip((_A, _B), plan.depths, strict=True):
        for x in (54.0, 448.0):
            _convolution(pen, x, y, 24, f"1{_X}1")
        for middle in _STACKS:
            _stack(pen, middle, y, depth)
    if inputs != outputs:
        _convolution(pen, _STACKS[1], _SHORTCUT, 24, f"1{_X}1")
    _sum(pen, 480, _MIDDLE)
    for place, x in enumerate(_SLOTS):
        _slot(pen.group(x, _MIDDLE), plan, f"cell{number}_slot{place}")


def _wires(pen: Pen) -> None:
    """All but the pieces within the slots."""
    first, second = _SLOTS
    pen.wire((0, _MIDDLE), (18, _MIDDLE))
    for y in (_A, _B):
        pen.wire((18, _MIDDLE), (18, y), (first - REACH, y))
        pen.wire((first + REACH, y), (second - REACH, y))
        pen.wire((second + REACH, y), (480, y), (480, _MIDDLE))
    pen.wire((18, _MIDDLE), (18, _SHORTCUT), (480, _SHORTCUT), (480, _MIDDLE), look="shortcut")
    pen.wire((480, _MIDDLE), (_CELL_W, _MIDDLE))


def _stack(pen: Pen, middle: float, y: float, depth: int) -> None:
    """So many light 3x3 convolutions, side by side."""
    pitch = _STACK_W / max(3, depth)
    for place in range(depth):
        x = middle + (place - (depth - 1) / 2) * pitch
        _convolution(pen, x, y, pitch - 3, f"3{_X}3" if pitch >= 22 else "")


def _convolution(pen: Pen, x: float, y: float, width: float, words: str) -> None:
    pen.box(x, y, width, 26, "block")
    pen.text(x, y + 3.5, words, "small")


def _block(pen: Pen, x: float, width: float, *lines: str) -> None:
    pen.box(x, _MIDDLE, width, 66, "block", round_by=6)
    for place, words in enumerate(lines):
        y = _MIDDLE + 4 + 18 * (place - (len(lines) - 1) / 2)
        pen.text(x, y, words, "muted" if place else "ink")


def _sum(pen: Pen, x: float, y: float) -> None:
    pen.circle(x, y, 9, "block")
    pen.path(f"M{x - 5:g} {y:g}H{x + 5:g}M{x:g} {y - 5:g}V{y + 5:g}", "wire")


def _slot(pen: Pen, plan: _Plan, label: str) -> None:
    interaction = plan.genotype.slots[label]
    slot = pen.group(data_slot=label, data_interaction=interaction)
    slot.name(f"{label}: {spoken(interaction)}, {MEANINGS[interaction]}")
    SIGNS[interaction](slot)
    slot.text(0, HALF + 26, spoken(interaction), f"{interaction} label")


def _heads(pen: Pen, plan: _Plan) -> None:
    last = _TOP + 2 * _ROW + _MIDDLE - _HEADS
    channels, right = plan.channels[3], _WIDTH - 18
    pen.wire(
        *((_CELLS[1] + _CELL_W, last), (right, last), (right, _MIDDLE)),
        *((_EMBEDDING + 75, _MIDDLE),),
        tip=True,
    )
    _block(pen, _EMBEDDING + 393, 150, "mean of the map", f"{channels}")
    _block(pen, _EMBEDDING + 205, 150, "global head", f"{channels} features")
    if plan.local:
        pen.wire(*((_LEFT, last + 33), (_LEFT, _MIDDLE), (_EMBEDDING - 75, _MIDDLE)), tip=True)
        _block(pen, _LEFT, 130, f"1{_X}1", f"{plan.local} {_X} {plan.maps[2]}")
        _block(pen, _EMBEDDING - 393, 150, "mean of either half", f"2 {_X} {plan.local}")
        _block(pen, _EMBEDDING - 205, 150, "local head", f"{2 * plan.local} features")
    size = channels + 2 * plan.local
    _block(pen, _EMBEDDING, 150, f"embedding: {size}", f"{plan.feature} features")


def _legend(pen: Pen) -> None:
    for place, (interaction, meaning) in enumerate(MEANINGS.items()):
        entry = pen.group(_MARGIN + place * 298)
        SIGNS[interaction](entry.group(REACH * 0.6, scale=0.6, data_sign=interaction))
        entry.text(54, -4, spoken(interaction), f"{interaction} label", anchor="start")
        entry.text(54, 13, meaning, "muted", anchor="start")
