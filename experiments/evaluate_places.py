"""Where the results of ``reid-nas evaluate`` go: one place each, or one for every data set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from experiments.evaluate_targets import Target
from experiments.outputs import refuse_unwritable
from experiments.pages.html import PAGE
from experiments.scoring import named


@dataclass(frozen=True)
class Places:
    """Files and folders, None for what nobody asked for.

    With several data sets ``queries.csv`` becomes ``queries_NAME.csv`` for each of them, and a
    page lies in a folder ``NAME`` of the folder given; the scores of all are in one file.

    Attributes:
        targets: the data sets.
        json: file for the scores.
        per_query: CSV file for the scores of every query.
        features: NPZ file for the features, as ``reid-nas score`` reads them.
        gallery_html: folder for the ranked lists.
        maps_html: folder for the activation maps.
    """

    targets: Sequence[Target]
    json: Path | None = None
    per_query: Path | None = None
    features: Path | None = None
    gallery_html: Path | None = None
    maps_html: Path | None = None

    def of(self, target: Target) -> "Places":
        """Those of one data set."""
        if len(self.targets) == 1:
            return self
        return replace(
            self,
            targets=(target,),
            per_query=_beside(self.per_query, target),
            features=_beside(self.features, target),
            gallery_html=_within(self.gallery_html, target),
            maps_html=_within(self.maps_html, target),
        )

    def prepare(self, inputs: Mapping[str, Path]) -> None:
        """Make the folders of the pages, and refuse what could not be written after the work.

        Args:
            inputs: option -> the file that is read.

        Raises:
            ValueError: if a file cannot be made where an option says, or two options name one.
        """
        for option, folder in self._pages().items():
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise ValueError(
                    f"{option} names {folder.name}, which cannot be a folder ({error.strerror}):"
                    " name another."
                ) from error
        refuse_unwritable(self._files(), inputs)

    def _pages(self) -> dict[str, Path]:
        places = {target.label: self.of(target) for target in self.targets}
        folders = {
            f"{option} ({label})": folder
            for label, place in places.items()
            for option, folder in (
                ("--gallery-html", place.gallery_html),
                ("--maps-html", place.maps_html),
            )
        }
        return named(folders)

    def _files(self) -> dict[str, Path]:
        """Option, with the data set where there are several -> the file that will be written."""
        places = {target.label: self.of(target) for target in self.targets}
        rows = {
            f"{option} ({label})": file
            for label, place in places.items()
            for option, file in (
                ("--per-query", place.per_query),
                ("--features", place.features),
            )
        }
        pages = {option: folder / PAGE for option, folder in self._pages().items()}
        return named({"--json": self.json, **rows}) | pages


def _beside(file: Path | None, target: Target) -> Path | None:
    return None if file is None else file.with_name(f"{file.stem}_{target.slug}{file.suffix}")


def _within(folder: Path | None, target: Target) -> Path | None:
    return None if folder is None else folder / target.slug
