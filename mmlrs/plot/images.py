"""Grids of pictures with their labels and predictions."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mmlrs._messages import counted
from mmlrs.errors import DecodeError, InvalidParamError
from mmlrs.params import FLOAT, argument
from mmlrs.plot.axes import one_line, plain, pyplot, shortened_all, whole
from mmlrs.plot.pictures import Pixels, pixels_of
from mmlrs.plot.sample import Sample, sampled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["show_images"]

_FUNCTION = "show_images"
_RIGHT, _WRONG, _OPEN = "#0072B2", "#D55E00", "#333333"
_GRAY_TILE = "#D9D9D9"
#: Pixels of a picture that are drawn, per inch.
_DENSITY = 150
#: Maximum number of pictures, and of columns of the grid.
_MAX_IMAGES = 1000


@dataclass(frozen=True)
class Line:
    """A line of a title: a name, of which the middle may be left out, and what is always written before and after it."""

    name: str
    before: str = ""
    after: str = ""

    def __len__(self) -> int:
        """Return the number of letters."""
        return len(self.before) + len(self.name) + len(self.after)


@dataclass(frozen=True)
class Tile:
    """A picture, or the reason why there is none, with its title."""

    pixels: Pixels | None
    reason: str
    lines: list[Line]
    is_wrong: bool | None

    @property
    def colour(self) -> str:
        """The colour of title and frame."""
        return {None: _OPEN, True: _WRONG, False: _RIGHT}[self.is_wrong]


def show_images(
    data: Any,
    image_col: str = "image",
    labels: Any = None,
    predictions: Any = None,
    *,
    probabilities: Any = None,
    columns: int | None = None,
    max_images: int = 25,
    size: float = 1.6,
    seed: int = 0,
    figure: Figure | None = None,
) -> Figure:
    r"""Draw a grid of pictures with their labels and predictions. Wrong predictions are marked.

    Parameters
    ----------
    data : dataset, picture or sequence of pictures
        A Spark DataFrame, a pyarrow, pandas or polars table with a column of pictures, or one or several pictures: encoded
        bytes, Pillow images, or NumPy arrays (rows, columns, channels) of R, G, B.
    image_col : str, default "image"
        Name of the column of image structs, encoded bytes or `struct(path, bytes)`.
    labels, predictions : str or sequence, optional
        Names of the columns of labels and predictions. For a sequence of pictures, sequences of the same length. Predicted
        class numbers become the classes that the metadata of the columns names. Of the result of `ImageClassifier`, the
        description and the probability of the first class are drawn; a label may be the description or the class.
    probabilities : str or sequence, optional
        The probability of each prediction, between 0 and 1, or vectors of the probabilities of all classes, from which that
        of the prediction is drawn. By default that in the result of `ImageClassifier`.
    columns : int, optional
        Number of pictures side by side; by default the grid is about square.
    max_images : int, default 25
        Maximum number of pictures, 1 to 1000. Of more rows a random sample is drawn in which the shares of right and wrong
        predictions are those of all rows, rounded to whole pictures.
    size : float, default 1.6
        Width and height of a picture in inches.
    seed : int, default 0
        Seed of the sample. The same rows and seed give the same pictures. On Spark, the order of the rows does not matter.
    figure : matplotlib.figure.Figure, optional
        Figure or SubFigure to draw on; by default a new one.

    Returns
    -------
    matplotlib.figure.Figure
        The figure. A title shows the label and below it the prediction, in blue if it is right. If it is wrong, title and
        frame are orange, the prediction starts with the sign ×, and the frame is thick. The caption gives the counts.

    Raises
    ------
    ColumnNotFoundError, SchemaMismatchError
        There is no such column, or it has a type that cannot be read.
    DecodeError
        There are no rows, or a probability is outside 0 to 1.
    InvalidParamError
        `columns`, `max_images` or `size` is not valid, or sequences have different lengths.
    MissingPackageError
        Matplotlib is not installed.

    Notes
    -----
    Alpha is composited on white, and pictures are rotated according to their EXIF tag. A null or damaged picture is a gray
    tile with the reason. A row without label or prediction is neither right nor wrong. From Spark, the labels and
    predictions of all rows are collected, but only the pictures that are drawn; the pictures are read twice.

    Examples
    --------
    >>> from mmlrs.plot import show_images
    >>> from mmlrs.testing import sample_image
    >>> figure = show_images([sample_image(), sample_image()], labels=["cat", "dog"], predictions=["cat", "cat"])
    >>> [axes.get_title() for axes in figure.axes]
    ['cat\ncat', 'dog\n× cat']
    >>> figure.get_supxlabel()
    '1 of 2 shown wrong'
    """
    max_images = whole(_FUNCTION, "max_images", max_images, 1, _MAX_IMAGES)
    seed = whole(_FUNCTION, "seed", seed, -(2**63), 2**63 - 1)
    if columns is not None:
        columns = whole(_FUNCTION, "columns", columns, 1, _MAX_IMAGES)
    size = argument(_FUNCTION, "size", FLOAT.accept, size)
    if not 0 < size <= 40:
        raise InvalidParamError(
            f"{_FUNCTION}: param `size` must be above 0 and at most 40 inches, got {size}"
        )
    plt = pyplot(_FUNCTION)
    sample = sampled(
        data,
        {"image": image_col, "label": labels, "prediction": predictions, "probability": probabilities},
        max_images,
        seed,
    )
    if not sample.total:
        raise DecodeError(f"{_FUNCTION}: column `{sample.where}`: has no picture: the dataset has no rows")
    tiles = _tiles(sample, max(16, round(size * _DENSITY)))
    columns = min(columns or math.ceil(math.sqrt(len(tiles))), len(tiles))
    height = math.ceil(len(tiles) / columns)
    lines = max(len(tile.lines) for tile in tiles)
    if figure is None:
        extent = (
            max(2.6, columns * size * 1.06),
            height * (size * _tallest(tiles) * 1.04 + 0.2 * lines) + 0.4,
        )
        figure = plt.figure(figsize=extent, layout="constrained")
    elif not hasattr(figure, "subplots") or not hasattr(figure, "supxlabel"):
        raise InvalidParamError(
            f"{_FUNCTION}: param `figure` must be the Figure of matplotlib, got {type(figure).__name__}"
        )
    grid = figure.subplots(height, columns, squeeze=False).ravel()
    font = _font(tiles, size)
    for axes, tile, title in zip(grid, tiles, _titles(tiles, font, size)):
        _draw(axes, tile, title, font, size)
    for axes in grid[len(tiles) :]:
        axes.remove()
    letters = max(20, int(72 / figure.dpi * figure.bbox.width / (0.56 * 9)))
    figure.supxlabel(textwrap.fill(_caption(sample, tiles), letters), fontsize=9)
    return figure


def _tiles(sample: Sample, side: int) -> list[Tile]:
    pictures = pixels_of(_FUNCTION, sample.images, sample.where, side)
    tiles = []
    for row, (pixels, reason) in enumerate(pictures):
        wrong = sample.wrong[row]
        lines = []
        if sample.labels is not None:
            label = sample.labels[row]
            lines.append(Line("", "no label") if label is None else Line(one_line(label)))
        if sample.predictions is not None:
            lines.append(_prediction(sample, row, wrong))
        tiles.append(Tile(pixels, reason, lines, wrong))
    return tiles


def _tallest(tiles: Sequence[Tile]) -> float:
    """Return the largest height of a tile, as a share of the room for it. A tile without picture is a square."""
    shapes = [(1, 1) if tile.pixels is None else tile.pixels.shape[:2] for tile in tiles]
    return max(0.25, *(min(1.0, height / width) for height, width in shapes))


def _prediction(sample: Sample, row: int, wrong: bool | None) -> Line:
    assert sample.predictions is not None
    value = sample.predictions[row]
    if value is None:
        return Line("", "no prediction")
    share = math.nan if sample.probabilities is None else sample.probabilities[row]
    return Line(one_line(value), "× " if wrong else "", "" if math.isnan(share) else f" {share:.0%}")


def _font(tiles: Sequence[Tile], size: float) -> float:
    """Return a size of letters at which most titles fit over their picture."""
    longest = max((len(line) for tile in tiles for line in tile.lines), default=1)
    return max(min(7.0, 5 * size), min(10.0, 72 * size / (0.66 * longest)))


def _titles(tiles: Sequence[Tile], font: float, size: float) -> list[str]:
    """Return the titles, with names that fit over the pictures. Names that differ stay different."""
    names = list(dict.fromkeys(line.name for tile in tiles for line in tile.lines))
    short: dict[int, dict[str, str]] = {}  # by the letters that there is room for
    titles = []
    for tile in tiles:
        letters = max(5, int(72 * size / ((0.7 if tile.is_wrong else 0.62) * font)))
        lines = []
        for line in tile.lines:
            room = max(3, letters - len(line.before) - len(line.after))
            if room not in short:
                short[room] = dict(zip(names, shortened_all(names, room)))
            lines.append(f"{line.before}{short[room][line.name]}{line.after}" if line.name else line.before)
        titles.append("\n".join(lines))
    return titles


def _draw(axes: Axes, tile: Tile, title: str, font: float, size: float) -> None:
    axes.set(xticks=[], yticks=[], anchor="N")  # at the top, so that the titles of a row are aligned
    if tile.pixels is None:
        axes.set(facecolor=_GRAY_TILE, aspect="equal", xlim=(0, 1), ylim=(0, 1))
        small = min(8.0, 5.2 * size)
        letters = max(6, int(72 * size * 0.92 / (0.56 * small)))
        lines = textwrap.wrap(plain(tile.reason), letters)
        rows = max(1, int(72 * size * 0.9 / (1.25 * small)))
        text = "\n".join([*lines[: rows - 1], "…"] if len(lines) > rows else lines)
        axes.text(0.5, 0.5, text, ha="center", va="center", fontsize=small, color="#333333")
    elif tile.pixels.ndim == 2:
        axes.imshow(tile.pixels, cmap="gray", vmin=0, vmax=255)
    else:
        axes.imshow(tile.pixels)
    width = 3.0 if tile.is_wrong else 1.0
    for spine in axes.spines.values():
        spine.set(color=tile.colour, linewidth=width)
    if title:
        axes.set_title(
            title, fontsize=font, color=tile.colour, fontweight="bold" if tile.is_wrong else None, pad=4
        )


def _caption(sample: Sample, tiles: Sequence[Tile]) -> str:
    """Return the counts of the pictures that are shown and of all rows."""
    count = len(tiles)
    parts = []
    if sample.labels is not None and sample.predictions is not None:
        wrong = sum(tile.is_wrong is True for tile in tiles)
        unknown = sum(tile.is_wrong is None for tile in tiles)
        parts.append(f"{wrong} of {count} shown wrong")
        if unknown:
            parts[0] += f", {unknown} without label or prediction"
        if sample.total > count:
            parts.append(f"{sample.total_wrong:,} of {sample.total:,} in all")
    elif sample.total > count:
        parts.append(f"{count} of {sample.total:,} shown")
    bad = sum(tile.pixels is None for tile in tiles)
    if bad:
        parts.append(f"{counted(bad, 'picture')} cannot be shown")
    return "; ".join(parts)
