"""``reid-nas cost`` says the published counts, those of search runs, and times beside a ResNet-50.

What is timed is made up, so that nothing depends on how fast a machine is.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from experiments import cost_run
from experiments.cost_command import main
from nas_space.cost import measure_cost, used_parameters
from nas_space.genotype import PUBLISHED, Genotype
from nas_space.networks import Blueprint, save_network
from nas_space.peers import PEERS

PUBLISHED_MSI = PUBLISHED["msinet_msmt17"]
TIMES = {"network": [0.003, 0.001, 0.004], "resnet50": [0.002, 0.001, 0.001]}

Cost = Callable[..., dict[str, Any]]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[tuple[str, ...], int]]:
    """Which works took turns, in how many rounds; the times they took are ``TIMES``."""
    found: list[tuple[tuple[str, ...], int]] = []

    def take_turns(
        works: Mapping[str, Callable[[], object]], *, rounds: int, progress: str | None
    ) -> dict[str, list[float]]:
        found.append((tuple(works), rounds))
        return TIMES

    monkeypatch.setattr(cost_run, "take_turns", take_turns)
    return found


@pytest.fixture
def cost(tmp_path: Path, asked: object) -> Cost:
    """Runs the command for small images and gives its JSON."""

    def run(*options: str | Path) -> dict[str, Any]:
        file = tmp_path / "cost.json"
        arguments = ["--size", "32x16", "--device", "cpu", *options, "--json", file]
        assert main([str(argument) for argument in arguments]) == 0
        return dict(json.loads(file.read_text()))

    return run


def refused(capsys: pytest.CaptureFixture[str], *options: str | Path) -> str:
    """The one sentence of a command that fails."""
    capsys.readouterr()
    assert main([str(option) for option in options]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1, err
    assert err.endswith(".\n")
    return err


def test_the_published_genotype_costs_what_is_published(cost: Cost) -> None:
    """In-domain inference leaves out fc and BN of both necks.

    512 * 512 + 2 * 512 + 256 * 256 + 2 * 256 = 329,216, and 2,328,035 - 329,216 = 1,998,819.
    """
    found = cost("--genotype", "msinet_msmt17", "--size", "256x128", "--batch", "1")
    assert found["parameters"] == 2_328_035
    assert found["parameters_inference"] == 1_998_819
    assert round(found["macs"] / 1e9, 2) == 1.13
    assert (found["height"], found["width"], found["dimensions"]) == (256, 128, 768)


def test_features_behind_the_necks_need_them(cost: Cost) -> None:
    found = cost("--genotype", "msinet_msmt17", "--feature", "normalised")
    assert found["parameters_inference"] == found["parameters"] == 2_328_035


def test_counts_are_those_a_search_run_reports(cost: Cost) -> None:
    expected = measure_cost(Blueprint(genotype=PUBLISHED_MSI).build(), height=32, width=16)
    found = cost("--genotype", "msinet_msmt17")
    assert (found["parameters"], found["macs"]) == (expected.parameters, expected.macs)


def test_multiply_adds_of_a_stack_of_layers_worked_out_by_hand() -> None:
    """3x3 convolution 3 -> 4, stride 2, of 8 x 6 pixels; a depthwise 3x3 behind it; linear 4 -> 5.

    4 * 3 outputs * 4 channels * 27 = 1,296; 4 * 3 * 4 * 9 = 432; 4 * 5 = 20; in all 1,748.
    Parameters 4 * 27 + 4 * 9 + 4 * 5 + 5 = 169; the last layer's weight is half of what is used
    if only half of the output is looked at, but a parameter counts as a whole.
    """
    layers = nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False),
        nn.Conv2d(4, 4, 3, padding=1, groups=4, bias=False),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 5),
    )
    counted = measure_cost(layers, height=8, width=6)
    assert (counted.macs, counted.parameters) == (1_748, 169)
    assert used_parameters(layers, height=8, width=6) == 169


class Attention(nn.Module):
    """Of six positions with four channels each, in two heads, by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = x.flatten(2).mean(1, keepdim=True).transpose(1, 2).expand(-1, -1, 4)
        attended: torch.Tensor = self.attention(tokens, tokens, tokens, need_weights=False)[0]
        return attended


def test_multiply_adds_within_an_attention_worked_out_by_hand() -> None:
    """Queries, keys, values and the output: 4 * 6 * 4 * 4 = 384 multiply-adds.

    Each of the two heads compares 6 positions with 6 in two channels, 72, and sums as many values
    as often, 72: 288 of both heads; in all 672.
    """
    assert measure_cost(Attention(), height=3, width=2).macs == 384 + 288
    assert torch.backends.mha.get_fastpath_enabled()


def test_a_transformer_costs_its_layers_and_its_attentions() -> None:
    """DeiT-tiny at 256 x 128: 128 positions and one more, 192 channels, twelve blocks.

    Its layers take 703,660,032, and every block compares and sums 129 * 129 * 192 = 3,195,072
    each: 12 * 2 * 3,195,072 = 76,681,728 more.
    """
    found = measure_cost(Blueprint("vit_tiny").build(), height=256, width=128)
    assert found.macs == 703_660_032 + 76_681_728


class Forked(nn.Module):
    """A frozen layer that is used, one that is used in training only, and one that never is."""

    def __init__(self) -> None:
        super().__init__()
        self.used = nn.Conv2d(3, 2, 1).requires_grad_(requires_grad=False)  # 3 * 2 + 2 = 8
        self.training_only, self.never = nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, 1)
        self.bn = nn.BatchNorm2d(2)  # 2 * 2 = 4

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.bn(self.used(x))
        return self.training_only(x) if self.training else x


def test_a_parameter_is_used_if_the_output_in_evaluation_depends_on_it() -> None:
    network = Forked().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.no_grad():
        assert used_parameters(network, height=4, width=4) == 8 + 4
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_uses_all_but_its_neck(name: str, cost: Cost) -> None:
    found = cost("--network", name)
    neck = 2 * found["dimensions"]
    assert found["parameters"] - found["parameters_inference"] == neck
    assert found["network"] == name
    assert found["genotype"] is None


def test_times_are_medians_and_ratios_within_rounds_for_every_batch(
    cost: Cost, asked: list[tuple[tuple[str, ...], int]]
) -> None:
    """Medians of ``TIMES`` are 3 ms and 1 ms; the ratios 1.5, 1 and 4 have the median 1.5."""
    found = cost("--genotype", "msinet_msmt17", "--rounds", "3", "--batch", "2", "1", "2")
    assert found["latency_ms"] == {"1": 3.0, "2": 3.0}
    assert found["resnet50_ms"] == {"1": 1.0, "2": 1.0}
    assert found["slowdown"] == {"1": 1.5, "2": 1.5}
    assert asked == [(("network", "resnet50"), 3)] * 2
    assert found["rounds"] == 3


def test_batches_of_1_and_32_are_timed_unless_others_are_asked_for(cost: Cost) -> None:
    assert list(cost("--network", "mobilenet_v3")["latency_ms"]) == ["1", "32"]


def test_the_reference_is_torchvisions_resnet50_on_the_same_images(
    cost: Cost, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed: list[tuple[str, tuple[int, ...]]] = []

    def forward_pass(network: nn.Module, images: torch.Tensor) -> Callable[[], None]:
        assert not network.training
        timed.append((type(network).__name__, tuple(images.shape)))
        return lambda: None

    monkeypatch.setattr(cost_run, "forward_pass", forward_pass)
    cost("--genotype", "msinet_msmt17", "--batch", "1", "4")
    sizes = (1, 3, 32, 16), (4, 3, 32, 16)
    assert timed == [(name, size) for size in sizes for name in ("MSINet", "ResNet")]


def test_both_networks_are_timed_in_channels_last_order(
    cost: Cost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the first convolution whose weight differs between the two orders."""
    timed: dict[str, nn.Module] = {}

    def forward_pass(network: nn.Module, images: torch.Tensor) -> Callable[[], None]:
        timed[type(network).__name__] = network
        return lambda: None

    monkeypatch.setattr(cost_run, "forward_pass", forward_pass)
    cost("--genotype", "msinet_msmt17", "--rounds", "1", "--batch", "1")
    assert list(timed) == ["MSINet", "ResNet"]
    for network in timed.values():
        convolutions = [part for part in network.modules() if isinstance(part, nn.Conv2d)]
        weight = next(
            c.weight for c in convolutions if c.weight[0].numel() > c.weight[0, 0].numel() > 1
        )
        assert weight.is_contiguous(memory_format=torch.channels_last)
        assert not weight.is_contiguous()


def test_a_measurement_takes_nothing_from_the_callers_random_numbers(cost: Cost) -> None:
    before = torch.get_rng_state()
    cost("--genotype", "msinet_msmt17", "--rounds", "1", "--batch", "1")
    assert torch.equal(torch.get_rng_state(), before)


def test_the_feature_that_is_asked_for_goes_before_the_checkpoints(
    cost: Cost, tmp_path: Path
) -> None:
    """Saved to give the feature before its necks, which do not count then; behind them they do."""
    blueprint = Blueprint(genotype=PUBLISHED_MSI, channel_factor=0.25, feature="pooled")
    network = blueprint.build()
    save_network(tmp_path / "best.pt", network, blueprint)
    every = sum(parameter.numel() for parameter in network.parameters())
    necks = sum(2 * c + c * c for c in (512 // 4, 256 // 4))
    own = cost("--checkpoint", tmp_path / "best.pt")
    asked_for = cost("--checkpoint", tmp_path / "best.pt", "--feature", "normalised")
    assert (own["feature"], own["parameters_inference"]) == ("pooled", every - necks)
    assert (asked_for["feature"], asked_for["parameters_inference"]) == ("normalised", every)


def test_a_checkpoint_is_measured_as_it_was_trained(cost: Cost, tmp_path: Path) -> None:
    genotype = Genotype.load("msinet_msmt17")
    blueprint = Blueprint(
        genotype=genotype, channel_factor=0.25, feature="normalised", height=64, width=48
    )
    network = blueprint.build()
    save_network(tmp_path / "best.pt", network, blueprint)
    found = cost("--checkpoint", tmp_path / "best.pt")
    expected = measure_cost(network, height=32, width=16)  # --size goes before the file's
    assert (found["parameters"], found["macs"]) == (expected.parameters, expected.macs)
    assert found["parameters_inference"] == expected.parameters
    assert found["feature"] == "normalised"
    assert cost("--checkpoint", tmp_path / "best.pt", "--size", "64x48")["height"] == 64


def test_the_size_of_a_checkpoint_is_its_own(tmp_path: Path, asked: object) -> None:
    blueprint = Blueprint(genotype=PUBLISHED_MSI, channel_factor=0.25, height=64, width=48)
    save_network(tmp_path / "best.pt", blueprint.build(), blueprint)
    found = cost_run.run(cost_run.Request(checkpoint=tmp_path / "best.pt", device="cpu"))
    assert (found.height, found.width) == (64, 48)


def test_threads_are_set_and_said_with_the_machine(
    cost: Cost, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", given.append)
    found = cost("--network", "mobilenet_v3", "--threads", "7")
    assert given == [7]
    assert found["threads"] == torch.get_num_threads()
    assert found["device"] == "cpu"
    assert {"commit", "date", "processor", "torch"} <= found.keys()
    cost("--network", "mobilenet_v3")
    assert given == [7]


def test_the_table_says_the_same(cost: Cost, capsys: pytest.CaptureFixture[str]) -> None:
    cost("--genotype", "msinet_msmt17", "--batch", "1")
    first, counts, used, macs, where, batch, see = capsys.readouterr().out.splitlines()
    assert first.startswith("msinet GG EG CG G- GC EC, images of 32 x 16, feature pooled")
    assert counts.split() == ["parameters", "2,328,035"]
    assert used.split()[-1] == "1,998,819"
    assert macs.startswith("multiply-adds")
    threads = torch.get_num_threads()
    assert f", {threads} thread{'s' * (threads > 1)}, " in where
    assert "median of 5 rounds" in where
    assert " ".join(batch.split()) == "batch of 1 3.00 ms 1.50 x the 1.00 ms of ResNet-50"
    assert see == "See cost.json."


def test_what_cannot_be_measured_is_said_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], asked: object
) -> None:
    assert "no_such" in refused(capsys, "--genotype", "no_such")
    assert "resnet50" in refused(capsys, "--network", "no_such")
    assert "genotype" in refused(capsys, "--network", "msinet")
    (tmp_path / "odd.pt").write_text("nothing")
    assert "odd.pt is no network" in refused(capsys, "--checkpoint", tmp_path / "odd.pt")
    assert "is a folder" in refused(capsys, "--checkpoint", tmp_path)
    (tmp_path / "reid.onnx").write_bytes(b"\x08\x0a")
    onnx = refused(capsys, "--checkpoint", tmp_path / "reid.onnx")
    assert "reid.onnx is an exported file: give the checkpoint" in onnx
    assert "multiples of 16" in refused(capsys, "--network", "vit_tiny", "--size", "30x30")
    assert "1 x 1" in refused(capsys, "--genotype", "msinet_msmt17", "--size", "1x1")
    nowhere = tmp_path / "none" / "cost.json"
    assert "--json" in refused(capsys, "--network", "mobilenet_v3", "--json", nowhere)
    if not torch.cuda.is_available():
        assert "sees none" in refused(capsys, "--network", "mobilenet_v3", "--device", "cuda")


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--genotype", "msinet_msmt17", "--network", "resnet50"),
        ("--network", "resnet50", "--size", "256"),
        ("--network", "resnet50", "--size", "0x128"),
        ("--network", "resnet50", "--batch", "0"),
        ("--network", "resnet50", "--rounds", "none"),
    ],
)
def test_a_wrong_command_line_is_refused(options: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as end:
        main(options)
    assert end.value.code == 2
