"""What describes pictures: a trained network, or a file that was exported from one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from evaluators.retrieval import Features
from nas_space.heads import Feature
from reid_data.records import Sighting


@dataclass(frozen=True)
class About:
    """What is said of it beside its scores.

    Attributes:
        file: where it lies.
        network: its name.
        height: of a picture, pixels.
        width: of a picture, pixels.
        feature: what describes a picture.
        trained_on: a data set, or None where the file does not say.
        trained_how: name -> value of what tells two trainings of one network apart.
        form: of an exported file: its format and precision; None of a checkpoint.
        thresholds: of an exported file: share of false accepts that was allowed -> the smallest
            similarity that may be accepted, or None where none is high enough.
    """

    file: Path
    network: str
    height: int
    width: int
    feature: Feature
    trained_on: str | None
    form: str | None = None
    thresholds: Mapping[float, float | None] = field(default_factory=dict)
    trained_how: Mapping[str, str | int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The file with its folder, which tells apart the ``best.pt`` of two runs."""
        file = self.file.absolute()
        return "/".join(filter(None, (file.parent.name, file.name)))

    @property
    def origin(self) -> str:
        """Which network of which size, and trained on what."""
        words = f"{self.network}, {self.height} x {self.width} pixels"
        return f"{words}, trained on {self.trained_on}" if self.trained_on else words

    @property
    def training(self) -> str:
        """What tells it from another training of the same network; empty where nothing is known."""
        return ", ".join(f"{name} {value}" for name, value in self.trained_how.items())

    def described_by(self, *, flip: bool) -> str:
        """The feature in words.

        Args:
            flip: whether it is the mean with that of the mirror image.
        """
        words = [f"feature {self.feature}"]
        if self.form is not None:
            words.append(f"exported as {self.form}")
        if flip:
            words.append("with the mirror image")
        return ", ".join(words)


@runtime_checkable
class Describes(Protocol):
    """Pictures in, features out."""

    @property
    def about(self) -> About:
        """What is said of it beside its scores."""
        ...

    def described(self) -> dict[str, Any]:
        """Plain values for a result file; no path.

        ``file``, ``file_format``, ``blueprint`` and ``info`` (of the training) are always there.
        """
        ...

    def features(
        self,
        sightings: Sequence[Sighting],
        *,
        batch_size: int,
        flip: bool,
        cached: bool,
        progress: str | None = None,
    ) -> Features:
        """Of pictures; no rows for no pictures.

        Args:
            sightings: the pictures.
            batch_size: pictures at a time.
            flip: take the mean of the features of a picture and of its mirror image.
            cached: keep the decoded pictures for the next time.
            progress: what to call the work in a progress bar, or None for no bar.

        Raises:
            ValueError: if pictures cannot be read, or the cache cannot be written.
        """
        ...
