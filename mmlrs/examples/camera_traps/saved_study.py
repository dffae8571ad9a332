"""What a study leaves behind: a fitted model with the threshold of its target, which scores pictures without Spark and Java."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mmlrs._messages import shown
from mmlrs._paths import PathLike, is_remote, local_path, path_of
from mmlrs._places import atomic_file, named_errors
from mmlrs.camera_traps._coco_reader import is_empty
from mmlrs.camera_traps._documents import Document
from mmlrs.compiled import CompiledModel
from mmlrs.engine.batches import is_list
from mmlrs.engine.chain import needed, plan
from mmlrs.engine.expr import compile_program
from mmlrs.engine.fields import is_vector_struct
from mmlrs.engine.table import to_table
from mmlrs.errors import ColumnNotFoundError, InvalidParamError, IoError, SchemaMismatchError
from mmlrs.vectors import as_lists

if TYPE_CHECKING:
    from mmlrs._types import Dataset

__all__ = ["StudyModel"]

_NAME = "StudyModel"
_FORMAT = 1
#: The largest gap of a burst, that of `SequenceGrouper`.
MAX_GAP_SECONDS = 1_000_000_000
_FILE, _COMPILED, _PIPELINE = "study.json", "compiled", "pipeline"
#: The column of pictures as files have them; the model reads their mirror images.
_PICTURE = "__mmlrs_picture__"
_REASON = "__mmlrs_reason_{}__"
#: The members of `study.json` and the fields that they hold.
_MEMBERS = {
    "target": "target",
    "threshold": "threshold",
    "targetClass": "target_class",
    "imageCol": "image_col",
    "probabilityCol": "probability_col",
    "gapSeconds": "gap_seconds",
    "flips": "flips",
    "variant": "variant",
    "model": "network",
}


@dataclass(frozen=True)
class StudyModel:
    """A fitted model that tells one target from everything else in pictures, with the threshold from which a score counts.

    Parameters
    ----------
    model : CompiledModel
        The chain from a picture to probabilities, as `mmlrs.compile` makes it from a fitted pipeline of Spark ML. It may contain any
        stages, as long as each picture is one row.
    target : str
        What the model looks for, for instance "cat".
    threshold : float, default 0.5
        The score from which a picture counts as one of the target, from 0 to 1.
    target_class : str, default "1"
        The class of the target: one of the labels of the model if it has labels, else the place in its vector of probabilities.
    image_col : str, default "image"
        The column of pictures that the model reads.
    probability_col : str, default "probability"
        The column of vectors of probabilities that the model adds.
    gap_seconds : float or None, default None
        Scores are averaged over the pictures of a burst: those of one camera, each at most so many seconds after the one before. None:
        each picture has its own score.
    flips : bool, default False
        Whether a score is the mean of the picture's and of its mirror image's. It takes twice the time.
    variant : str, default ""
        Name of the variant in the study.
    network : str, default ""
        Name of the network that computes features.

    Raises
    ------
    InvalidParamError
        A param has the wrong type or a value that is not allowed.
    ColumnNotFoundError
        The model neither reads `image_col` nor adds `probability_col`.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from mmlrs.compiled import CompiledModel
    >>> from mmlrs.examples.camera_traps.saved_study import StudyModel
    >>> from mmlrs.image import UnrollBinaryImage
    >>> from mmlrs.testing import sample_image
    >>> chain = CompiledModel(stages=[UnrollBinaryImage(inputCol="image", outputCol="probability", height=1, width=1)])
    >>> model = StudyModel(chain, "bright", target_class="0")  # the brightness as a score
    >>> files = pa.array([sample_image("jpeg"), b""], pa.binary())
    >>> model.score(pa.table({"file": ["1.jpg", "2.jpg"], "image": files}))["failure"].to_pylist()
    [None, 'not an image: 0 bytes']
    """

    model: CompiledModel
    target: str
    threshold: float = 0.5
    target_class: str = "1"
    image_col: str = "image"
    probability_col: str = "probability"
    gap_seconds: float | None = None
    flips: bool = False
    variant: str = ""
    network: str = ""

    def __post_init__(self) -> None:
        """Check the fields."""
        given: Any = self.model
        if not isinstance(given, CompiledModel):
            raise InvalidParamError(
                f"{_NAME}: param `model` must be a CompiledModel, got {shown(given)}; `mmlrs.compile` makes one of a fitted pipeline"
            )
        for name in ("target", "target_class", "image_col", "probability_col"):
            if not isinstance(getattr(self, name), str) or not getattr(self, name).strip():
                self._refuse(name, "a text that is not blank")
        if is_empty(None, self.target):
            self._refuse("target", "something to look for; pictures of nothing are those without it")
        for name in ("variant", "network"):
            if not isinstance(getattr(self, name), str):
                self._refuse(name, "a text")
        if not _is_number(self.threshold) or not 0 <= self.threshold <= 1:
            self._refuse("threshold", "a number from 0 to 1")
        if self.gap_seconds is not None and not (
            _is_number(self.gap_seconds) and 0 <= self.gap_seconds <= MAX_GAP_SECONDS
        ):
            self._refuse("gap_seconds", f"a number of seconds from 0 to {MAX_GAP_SECONDS:,}, or None")
        flips: Any = self.flips
        if not isinstance(flips, bool):
            self._refuse("flips", "True or False")
        self._place  # noqa: B018 - raises if there is no such class
        self._stages  # noqa: B018 - raises if there are no such columns

    def _refuse(self, name: str, kind: str) -> None:
        raise InvalidParamError(f"{_NAME}: param `{name}` must be {kind}, got {shown(getattr(self, name))}")

    @classmethod
    def read(cls, path: PathLike) -> StudyModel:
        """Read the model of a finished study.

        Parameters
        ----------
        path : path
            The folder `model` that a study writes, or the folder above it.

        Returns
        -------
        StudyModel
            The model.

        Raises
        ------
        InvalidParamError
            `path` is not a local path.
        IoError
            There is no study in the folder, or it cannot be read.
        DecodeError
            `study.json` is damaged, or of a newer version of mmlrs.
        """
        folder = _folder_of(path, "read")
        if not os.path.exists(os.path.join(folder, _FILE)):
            inner = os.path.join(folder, "model")
            if not os.path.exists(os.path.join(inner, _FILE)):
                raise IoError(
                    f"{_NAME}.read: param `path`: {folder} holds no model of a study, because it has no {_FILE}; pass the folder `model` "
                    "that the study writes when it is finished"
                )
            folder = inner
        document = Document(f"{_NAME}.read", os.path.join(folder, _FILE))
        if document.root.get("format") != _FORMAT:
            document.fail(
                f"`format` must be {_FORMAT}, got {shown(document.root.get('format'))}; a newer mmlrs may read it"
            )
        if missing := [name for name in ("target", "threshold") if document.root.get(name) is None]:
            document.fail(f"has no `{missing[0]}`")
        given = {
            field: document.root[name]
            for name, field in _MEMBERS.items()
            if document.root.get(name) is not None
        }
        with named_errors(os.path.join(folder, _COMPILED), "the compiled model cannot be loaded"):
            compiled = CompiledModel.load(os.path.join(folder, _COMPILED))
        try:
            return cls(compiled, **given)
        except (InvalidParamError, ColumnNotFoundError) as error:
            document.fail(str(error).removeprefix(f"{_NAME}: "))

    def write(self, path: PathLike, *, pipeline: Any = None, overwrite: bool = False) -> None:
        """Write the model to a folder, from which `read` reads it on machines without Java.

        Parameters
        ----------
        path : path
            Local folder; created if it does not exist.
        pipeline : pyspark.ml.PipelineModel, optional
            The fitted pipeline itself, for Spark. It becomes the folder `pipeline`.
        overwrite : bool, default False
            Replace a model that is there.

        Raises
        ------
        InvalidParamError
            `path` is not a local path.
        IoError
            The folder holds a model already, or cannot be written.

        Notes
        -----
        The folder gets `compiled` (the compiled model), `pipeline`, and last `study.json`, without which it is no model.
        """
        folder = _folder_of(path, "write")
        about = os.path.join(folder, _FILE)
        if os.path.exists(about) and not overwrite:
            raise IoError(
                f"{_NAME}.write: {folder} holds a model already; pass overwrite=True, or another folder"
            )
        with named_errors(folder, "the model cannot be written"):
            os.makedirs(folder, exist_ok=True)
            if os.path.exists(about):
                os.remove(about)
            self.model.write().overwrite().save(os.path.join(folder, _COMPILED))
            if pipeline is not None:
                pipeline.write().overwrite().save(os.path.join(folder, _PIPELINE))
        members = {"format": _FORMAT} | {name: getattr(self, field) for name, field in _MEMBERS.items()}
        with atomic_file(f"{_NAME}.write:", about) as file:
            file.write(json.dumps(members, indent=1).encode() + b"\n")

    def score(self, table: Dataset) -> pa.Table:
        """Return the score of each picture, on all cores.

        Parameters
        ----------
        table : table
            The columns `file` (string) and `image` (encoded bytes): a pyarrow.Table, or a pandas or polars DataFrame.

        Returns
        -------
        pyarrow.Table
            `file` (string), `probability` (double), the probability of the target, and `failure` (string), why a picture has none. One of the two is null.

        Raises
        ------
        ColumnNotFoundError, SchemaMismatchError
            A column is missing or has another type.
        ExecutionError, LimitExceededError
            The model cannot run on this machine.

        Notes
        -----
        Scores are those of single pictures: `score_folder` averages them over bursts.
        """
        rows = to_table(table)
        for name in ("file", "image"):
            if name not in rows.column_names:
                raise ColumnNotFoundError(
                    f"{_NAME}.score: the table has no column `{name}`; it has {', '.join(map(shown, rows.column_names))}"
                )
        pictures = rows.column("image")
        scores, reasons = self._scored(self._plain, pictures, self.image_col)
        if self.flips:
            mirrored, others = self._scored(self._mirrored, pictures, _PICTURE)
            scores = (scores + mirrored) / 2
            reasons = pc.coalesce(reasons, others)
        failed = reasons.is_valid().to_numpy(zero_copy_only=False)
        return pa.table(
            {
                "file": rows.column("file"),
                "probability": pa.array(scores, pa.float64(), mask=failed),
                "failure": reasons,
            }
        )

    @cached_property
    def identity(self) -> str:
        """Return the SHA-256 of everything that decides a score: the stages, their params and fitted values, and the fields above."""
        schema = pa.schema([(self.image_col, pa.large_binary())])
        planned = plan(self._stages, schema.names, lambda source: schema.field(source.column))
        program = json.loads(compile_program([planned.added()[self.probability_col]]).text)
        for node in program["nodes"]:
            node.pop("uid", None)
        fields = {name: getattr(self, field) for name, field in _MEMBERS.items()}
        return hashlib.sha256(json.dumps([fields, program], sort_keys=True).encode()).hexdigest()

    @cached_property
    def _place(self) -> int:
        """Return the place of the target in the vectors."""
        labels = self.model._value("labels")
        if labels is not None:
            if self.target_class not in labels:
                raise InvalidParamError(
                    f"{_NAME}: param `target_class` must be one of the labels of the model, {', '.join(map(shown, labels))}, got "
                    f"{shown(self.target_class)}"
                )
            return list(labels).index(self.target_class)
        if not (self.target_class.isascii() and self.target_class.isdigit() and len(self.target_class) < 10):
            raise InvalidParamError(
                f"{_NAME}: param `target_class` must be a place in the vector of probabilities, such as '1', because the model has no "
                f"labels, got {shown(self.target_class)}"
            )
        return int(self.target_class)

    @cached_property
    def _stages(self) -> list[Any]:
        """Return the stages that compute probabilities. Each keeps rows that it cannot use, with the reason in a column."""
        stages = needed(self.model._value("stages"), self.probability_col)
        if not stages:
            added = [name for stage in self.model._value("stages") for name in stage._columns("output")]
            raise ColumnNotFoundError(
                f"{_NAME}: param `probability_col`: the model adds no column `{self.probability_col}`; it adds "
                + ", ".join(f"`{name}`" for name in added)
            )
        if not any(self.image_col in stage._columns("input") for stage in stages):
            raise ColumnNotFoundError(
                f"{_NAME}: param `image_col`: the model reads no column `{self.image_col}`"
            )
        return [
            stage.copy({"handleInvalid": "keep", "errorCol": _REASON.format(place)})
            if stage.hasParam("errorCol")
            else stage
            for place, stage in enumerate(stages)
        ]

    @cached_property
    def _plain(self) -> CompiledModel:
        return self._chain(self._stages)

    @cached_property
    def _mirrored(self) -> CompiledModel:
        from mmlrs.image import ImageTransformer

        mirror = ImageTransformer(
            inputCol=_PICTURE, outputCol=self.image_col, handleInvalid="keep", errorCol=_REASON.format("m")
        ).flip()
        return self._chain([mirror, *self._stages])

    def _chain(self, stages: list[Any]) -> CompiledModel:
        reasons = [stage._value("errorCol") for stage in stages if stage.hasParam("errorCol")]
        return CompiledModel(stages=stages, outputCols=[self.probability_col, *reasons])

    def _scored(self, chain: CompiledModel, pictures: pa.ChunkedArray, column: str) -> tuple[Any, pa.Array]:
        """Return the score of each picture, NaN for a failed one, and why it failed."""
        made = chain.transform(pa.table({column: pictures})).combine_chunks()
        vectors = _combined(made.column(self.probability_col))
        reasons = [
            _combined(made.column(name)) for name in made.column_names if name.startswith("__mmlrs_reason")
        ]
        reason = (
            pc.coalesce(*reasons, pa.scalar(None, pa.string()))
            if reasons
            else pa.nulls(len(made), pa.string())
        )
        lists = self._lists(vectors)
        scores = np.full(len(made), np.nan)
        sizes = pc.fill_null(pc.list_value_length(lists), -1).to_numpy(zero_copy_only=False)
        known = sizes >= 0
        if known.any() and int(sizes[known].min()) <= self._place:
            raise InvalidParamError(
                f"{_NAME}: param `target_class`: the vectors of `{self.probability_col}` have {sizes[known].min()} values, so there is no "
                f"place {self._place}"
            )
        starts = np.cumsum(np.maximum(sizes, 0)) - np.maximum(sizes, 0)
        flat = lists.flatten().to_numpy(zero_copy_only=False)
        scores[known] = flat[starts[known] + self._place]
        # Trees score missing features: the features of a failed picture are missing, but its score says nothing.
        no_score = pc.or_(pa.array(np.isnan(scores)), reason.is_valid())
        why = pc.coalesce(reason, pa.scalar("the model gives no probability"))
        return scores, pc.if_else(no_score, why, pa.scalar(None, pa.string()))

    def _lists(self, vectors: pa.Array) -> pa.Array:
        """Return vectors as lists of doubles."""
        if is_vector_struct(vectors.type):
            return as_lists(
                vectors, f"{_NAME}: column `{self.probability_col}`", np.iinfo(np.int32).max, np.float64
            )
        if is_list(vectors.type) and pa.types.is_floating(vectors.type.value_type):
            return vectors.cast(pa.list_(pa.float64()))
        raise SchemaMismatchError(
            f"{_NAME}: column `{self.probability_col}` of the model must hold vectors of probabilities, but has the type {vectors.type}"
        )


def _combined(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _folder_of(path: PathLike, method: str) -> str:
    folder = path_of(path, f"{_NAME}.{method}: param `path`")
    if is_remote(folder):
        raise InvalidParamError(
            f"{_NAME}.{method}: param `path` must be a local folder, got {folder}; copy it first"
        )
    return local_path(folder)
