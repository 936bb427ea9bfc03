"""Two loaders of an evaluator that is not of this project are the twins of a search.

The space is one of NNI's hub, the evaluator NNI's own ``Lightning``.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from nni.nas.evaluator.pytorch.lightning import DataLoader, Lightning, LightningModule, Trainer
from nni.nas.hub.pytorch import NasBench201
from nni.nas.nn.pytorch import LayerChoice, ModelSpace
from torch import Tensor, nn
from torch.optim import SGD
from torch.utils.data import TensorDataset

from experiments.engine import run_one_shot
from reid_data.batch import Batch, Twin
from reid_data.randomness import generator_of
from strategies.darts import DARTS
from strategies.differentiable import ALPHA_SCALE, ArchOptimiser
from strategies.foreign import NO_CAMERA, foreign_sides
from strategies.tcm import TCM

TRAIN_IDENTITIES, VAL_IDENTITIES = (17, 3), (40, 3)
PICTURES, SIZE, EPOCHS = 8, 8, 2
EDGES = ["cell/0_1", "cell/0_2", "cell/0_3", "cell/1_2", "cell/1_3", "cell/2_3"]


class Embedding(LightningModule):  # type: ignore[misc]
    """Embeds, and configures an optimiser: all that TCM asks for."""

    def __init__(self, learning_rate: float = 0.1) -> None:
        super().__init__()
        self.learning_rate = learning_rate

    def embed(self, images: Tensor) -> Tensor:
        feature: Tensor = self.model(images)
        return feature

    def configure_optimizers(self) -> SGD:
        return SGD(self.parameters(), lr=self.learning_rate)


class WithLoss(Embedding):
    """Has a loss of its own besides, of the batches it is given."""

    def loss(self, batch: Batch) -> Tensor:
        return self.embed(batch.images).square().mean()

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        return self.loss(batch)


class Evaluator:
    """What of an evaluator is looked at before the search."""

    def __init__(self, train: Any, val: Any, module: Any = None) -> None:
        self.module = module or Embedding()
        self.train_dataloaders, self.val_dataloaders = train, val


def loader(identities: Sequence[int], *, seed: int) -> Any:
    """Noise, in batches of four."""
    names = torch.tensor([identities[i % len(identities)] for i in range(PICTURES)])
    images = torch.rand(PICTURES, 3, SIZE, SIZE, generator=generator_of(seed))
    return DataLoader(TensorDataset(images, names), batch_size=4)


class NumberedSpace(ModelSpace):  # type: ignore[misc]
    """A slot whose candidates have no names, behind which are eight numbers per picture."""

    def __init__(self) -> None:
        super().__init__()
        self.slot = LayerChoice([nn.Flatten(), nn.Flatten()], label="slot")
        self.weights = nn.Linear(3 * SIZE * SIZE, 8)

    def forward(self, images: Tensor) -> Tensor:
        feature: Tensor = self.weights(self.slot(images))
        return feature


def hub() -> ModelSpace:
    return NasBench201(stem_out_channels=2, num_modules_per_stack=1, num_labels=6)


def searched(
    searching: Any,
    module: LightningModule,
    *,
    space: Callable[[], ModelSpace] = hub,
    train: int = 0,
    val: int = 1,
) -> tuple[Any, dict[str, Tensor], dict[str, Tensor]]:
    """A search; the loaders' pictures are drawn from the seeds ``train`` and ``val``.

    Returns:
        The strategy, its alphas by label, and the weights of the supernet.
    """
    trainer = Trainer(
        max_epochs=EPOCHS,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    evaluator = Lightning(
        module,
        trainer,
        train_dataloaders=loader(TRAIN_IDENTITIES, seed=train),
        val_dataloaders=loader(VAL_IDENTITIES, seed=val),
    )
    torch.manual_seed(0)
    run_one_shot(space(), evaluator, searching)
    alphas = {label: alpha.detach() for label, alpha in searching._arch_parameters.items()}
    weights = {name: value.detach() for name, value in searching.supernet.named_parameters()}
    return searching, alphas, {k: v for k, v in weights.items() if "_arch_alpha" not in k}


def equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_a_space_of_the_hub_is_searched_with_nothing_but_embed() -> None:
    searching, alphas, _ = searched(TCM(), Embedding())
    genotype, probabilities = searching.genotype(), searching.probabilities()
    assert list(genotype) == list(probabilities) == EDGES
    for label in EDGES:
        expected = dict(zip(probabilities[label], alphas[label].softmax(0).tolist(), strict=True))
        assert probabilities[label] == pytest.approx(expected)
        assert genotype[label] == max(expected, key=lambda name: expected[name])


def test_candidates_may_be_known_by_numbers() -> None:
    searching, _, _ = searched(TCM(), Embedding(), space=NumberedSpace)
    assert searching.genotype()["slot"] in (0, 1)
    assert sum(searching.probabilities()["slot"].values()) == pytest.approx(1)


def test_the_memories_have_a_row_for_each_identity_of_their_own_loader() -> None:
    """Identities 17, 3 and 40, 3: sorted, 3 is label 0, 17 label 1, 40 label 2."""
    searching, _, _ = searched(TCM(), Embedding())
    assert searching.sides.train.labels == (0, 1)
    assert searching.sides.val.labels == (0, 2)
    assert searching.sides.identities == 3
    for twin in Twin:
        memory = searching.oneshot_module.memories.of(twin)
        assert memory.centroid.shape == (2, 6)
        torch.testing.assert_close(memory.centroid.norm(dim=1), torch.ones(2))


def test_the_alphas_move_by_the_val_loader_alone() -> None:
    """With the weights at rest, the pictures of the train loader are without effect."""
    _, alphas, _ = searched(TCM(), Embedding(0.0))
    _, other_train, _ = searched(TCM(), Embedding(0.0), train=2)
    _, other_val, _ = searched(TCM(), Embedding(0.0), val=2)
    generator = generator_of(0)
    begun = {label: ALPHA_SCALE * torch.randn(5, generator=generator) for label in EDGES}
    assert not equal(alphas, begun)
    assert equal(alphas, other_train)
    assert not equal(alphas, other_val)


def test_the_weights_move_by_the_train_loader_alone() -> None:
    """With the alphas at rest, the pictures of the val loader are without effect."""
    rest = ArchOptimiser(learning_rate=0.0)
    _, _, weights = searched(TCM(arch=rest), Embedding())
    _, _, other_val = searched(TCM(arch=rest), Embedding(), val=2)
    _, _, other_train = searched(TCM(arch=rest), Embedding(), train=2)
    assert equal(weights, other_val)
    assert not equal(weights, other_train)


@pytest.mark.parametrize("searching", [TCM(criterion="evaluator"), DARTS()], ids=["tcm", "darts"])
def test_a_loss_of_its_own_takes_the_place_of_the_memories(searching: Any) -> None:
    _, alphas, _ = searched(searching, WithLoss())
    assert sorted(alphas) == EDGES


def test_a_loss_of_its_own_must_be_there_to_be_taken() -> None:
    with pytest.raises(TypeError, match=r"an? Embedding, has no loss.*criterion 'contrastive'"):
        searched(TCM(criterion="evaluator"), Embedding())


images = torch.zeros(3, 3, 2, 2)
three = torch.tensor([0, 1, 2])


@pytest.mark.parametrize(
    ("train", "val", "message"),
    [
        ([(images, three)], None, r"has no val_dataloaders, and a search needs .*give both to"),
        (None, None, r"has no train_dataloaders and no val_dataloaders"),
        ([images], [(images, three)], r"A batch of the train loader is a tensor of float32 \[3, 3"),
        (
            [(images, three)],
            [(images,)],
            r"of the val loader is \(a tensor of float32 \[3, 3, 2, 2",
        ),
        (
            [(images, three[:2])],
            [(images, three)],
            r"int64 \[2\]\), and images with a whole number",
        ),
        ([(images, three.float())], [(images, three)], r"float32 \[3\]\), and images with a whole"),
        ([(images, ["a", "b", "c"])], [(images, three)], r"\(a str, a str, a str\)\), and images"),
        ([{"image": images}], [(images, three)], r"is a dict, and .*\(images, identities\)"),
        ([(images, three)], [(images, three * 0)], r"identities in the val loader is 1, and"),
        ([], [(images, three)], r"in the train loader is 0, and at least 2 are"),
    ],
)
def test_what_cannot_be_searched_on_is_refused_with_what_to_do(
    train: Any, val: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        foreign_sides(Evaluator(train, val))


def test_a_module_that_cannot_embed_is_refused() -> None:
    with pytest.raises(TypeError, match=r"module, a Linear, has no embed.*or use ReidEvaluator"):
        foreign_sides(Evaluator([], [], nn.Linear(1, 1)))


def test_an_identity_that_turns_up_later_is_refused() -> None:
    batches = [(images, three)]
    sides = foreign_sides(Evaluator(batches, batches))
    batches[0] = (images, three + 4)
    with pytest.raises(ValueError, match=r"val loader shows identity 4, which its first pass did"):
        list(sides.val.loader)


def test_an_iterator_is_refused_for_it_ends_for_good() -> None:
    sides = foreign_sides(Evaluator(iter([(images, three)]), [(images, three)]))
    with pytest.raises(ValueError, match=r"pass over the train loader is 0, .* was 1:"):
        list(sides.train.loader)


def test_a_sampler_that_can_be_told_the_epoch_is_told() -> None:
    class Sampler(list[int]):
        def set_epoch(self, epoch: int) -> None:
            self[:] = [epoch % 3, (epoch + 1) % 3]

    pictures = TensorDataset(torch.arange(3).float(), torch.arange(3))
    told = DataLoader(pictures, sampler=Sampler([0, 1, 2]), batch_size=2)
    side = foreign_sides(Evaluator(list(told), told)).val.loader
    side.set_epoch(2)
    assert next(iter(side)).images.tolist() == [2.0, 0.0]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32])
def test_identities_may_be_any_whole_numbers(dtype: torch.dtype) -> None:
    batches = [(images, three.to(dtype))]
    (batch,) = foreign_sides(Evaluator(batches, batches)).train.loader
    assert batch.identities.tolist() == [0, 1, 2]
    assert batch.cameras.tolist() == [NO_CAMERA] * 3


Pictures = list[list[tuple[int, int]]]


@st.composite
def batches(draw: st.DrawFn) -> Pictures:
    """Batches of (identity, camera); at least two identities in all."""
    identity = st.sampled_from([-5, 0, 1, 2, 3, 10**12, -(2**62)])
    batch = st.lists(st.tuples(identity, st.integers(0, 9)), min_size=1, max_size=7)
    found = draw(st.lists(batch, min_size=1, max_size=4))
    return [*found, [(7, 0), (8, 0)]]


def as_loader(batches: Pictures, kind: str, first: int) -> list[Any]:
    """The same pictures in each of the forms a batch may have; a picture is its number."""
    found: list[Any] = []
    for batch in batches:
        numbers = torch.arange(first, first + len(batch)).float()
        first += len(batch)
        identities, cameras = torch.tensor(batch).T
        forms = {
            "batch": Batch(numbers, identities, cameras, Twin.TRAIN),
            "pair": (numbers, identities),
            "list": [numbers, identities],
            "cameras": (numbers, identities, cameras),
            "names": (numbers, identities, ["a.png"] * len(batch)),
        }
        found.append(forms[kind])
    return found


def flat(batches: Iterable[Batch]) -> list[tuple[float, int, int, Twin]]:
    return [
        (number, label, camera, batch.twin)
        for batch in batches
        for number, label, camera in zip(*(part.tolist() for part in batch[:3]), strict=True)
    ]


KINDS = st.sampled_from(["batch", "pair", "list", "cameras", "names"])


@given(train=batches(), val=batches(), kind=KINDS, size=st.integers(1, 9))
def test_every_picture_keeps_its_identity_its_camera_and_its_place(
    train: Pictures, val: Pictures, kind: str, size: int
) -> None:
    sides = foreign_sides(Evaluator(as_loader(train, kind, 0), as_loader(val, kind, 1000)))
    everyone = sorted({identity for batch in train + val for identity, _ in batch})
    assert sides.identities == len(everyone)
    for twin, given_batches, first in ((Twin.TRAIN, train, 0), (Twin.VAL, val, 1000)):
        side = getattr(sides, twin)
        pictures = [picture for batch in given_batches for picture in batch]
        named = kind in ("batch", "cameras")
        expected = [
            (first + place, everyone.index(identity), camera if named else NO_CAMERA, twin)
            for place, (identity, camera) in enumerate(pictures)
        ]
        assert flat(side.loader) == expected
        assert flat(side.loader.still(size=size)) == expected
        assert all(len(batch.images) <= size for batch in side.loader.still(size=size))
        assert side.labels == tuple(sorted({label for _, label, _, _ in expected}))
        assert len(side.loader) == len(given_batches)
