"""Fitted feature transformers of Spark ML as native stages."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from mmlrs.compiled._definition import floats, ints, step
from mmlrs.compiled._values import CannotCompile, columns_of, dense, matrix, policy_of, value
from mmlrs.featurize import FastVectorAssembler, IndexToValue
from mmlrs.stages import DropColumns, RenameColumn, SelectColumns
from mmlrs.testing import Identity
from mmlrs.text import MultiNGram, TextFeaturizerModel

__all__ = ["FEATURES"]


def _string_indexer(model: Any) -> list[Any]:
    inputs, outputs = columns_of(model)
    labels = [list(labels) for labels in model.labelsArray]
    keep = value(model, "handleInvalid") == "keep"
    return [
        step(
            "StringIndexerModel",
            inputs,
            outputs,
            "index_strings",
            labels=labels,
            keep=keep,
            handleInvalid=policy_of(model),
        )
    ]


def _index_to_string(model: Any) -> list[Any]:
    labels = value(model, "labels")
    back = IndexToValue(inputCol=model.getInputCol(), outputCol=model.getOutputCol())
    return [back._set(levels=list(labels), dataType="string") if labels else back]


def _one_hot(model: Any) -> list[Any]:
    inputs, outputs = columns_of(model)
    keep = value(model, "handleInvalid") == "keep"
    sizes = [int(size) for size in model.categorySizes]
    drop = bool(value(model, "dropLast"))
    return [step("OneHotEncoderModel", inputs, outputs, "one_hot", sizes=sizes, drop_last=drop, keep=keep)]


def _assembler(stage: Any) -> list[Any]:
    policy = value(stage, "handleInvalid", "error")
    return [
        FastVectorAssembler(
            inputCols=stage.getInputCols(), outputCol=stage.getOutputCol(), handleInvalid=policy
        )
    ]


def _slice(stage: Any, indices: Any) -> list[Any]:
    inputs, outputs = _selected(stage)
    return [step(type(stage).__name__, inputs, outputs, "slice", indices=ints(indices))]


def _selected(stage: Any) -> tuple[list[str], list[str]]:
    name = "inputCol" if stage.hasParam("inputCol") else "featuresCol"
    return [stage.getOrDefault(name)], [stage.getOrDefault("outputCol")]


def _slicer(stage: Any) -> list[Any]:
    if value(stage, "names"):
        raise CannotCompile(
            "it selects slots by `names`, which only the attributes of a dataset resolve; use `indices`"
        )
    return _slice(stage, value(stage, "indices", []))


def _selector(model: Any) -> list[Any]:
    return _slice(model, sorted(int(i) for i in model.selectedFeatures))


def _size_hint(stage: Any) -> list[Any]:
    column = stage.getInputCol()
    optimistic = value(stage, "handleInvalid", "error") == "optimistic"
    sized = f"{column}_{stage.uid}"
    checked = step(
        "VectorSizeHint",
        [column],
        [sized],
        "vector_size",
        size=int(stage.getSize()),
        optimistic=optimistic,
        handleInvalid=policy_of(stage),
    )
    # The checked vectors take the place of the column, so that everything that reads it needs the check.
    return [checked, DropColumns(cols=[column]), RenameColumn(inputCol=sized, outputCol=column)]


def _vector_indexer(model: Any) -> list[Any]:
    inputs, outputs = columns_of(model)
    maps = {int(slot): dict(indices) for slot, indices in dict(model.categoryMaps).items()}
    slots = sorted(maps)
    return [
        step(
            "VectorIndexerModel",
            inputs,
            outputs,
            "index_slots",
            size=int(model.numFeatures),
            slots=ints(slots),
            categories=[floats(sorted(maps[slot], key=maps[slot].__getitem__)) for slot in slots],
            keep=value(model, "handleInvalid") == "keep",
            handleInvalid=policy_of(model),
        )
    ]


def _imputer(model: Any) -> list[Any]:
    inputs, outputs = columns_of(model)
    surrogates = model.surrogateDF.first().asDict()
    # Columns that it fills in place get another name first.
    filled = [f"{name}_{model.uid}" if name in inputs else name for name in outputs]
    renamed = [(old, new) for old, new in zip(filled, outputs, strict=True) if old != new]
    replaced = [DropColumns(cols=[new for _, new in renamed])] if renamed else []
    return [
        step(
            "ImputerModel",
            inputs,
            filled,
            "impute",
            surrogates=floats([surrogates[name] for name in inputs]),
            missing=floats([model.getMissingValue()]),
        ),
        *replaced,
        *(RenameColumn(inputCol=old, outputCol=new) for old, new in renamed),
    ]


def _bucketizer(stage: Any) -> list[Any]:
    inputs, outputs = columns_of(stage)
    splits = value(stage, "splitsArray") if value(stage, "inputCols") is not None else [stage.getSplits()]
    keep = value(stage, "handleInvalid") == "keep"
    return [
        step(
            "Bucketizer",
            inputs,
            outputs,
            "bucketize",
            splits=[floats(s) for s in splits],
            keep=keep,
            handleInvalid=policy_of(stage),
        )
    ]


def _binarizer(stage: Any) -> list[Any]:
    inputs, outputs = columns_of(stage)
    thresholds = value(stage, "thresholds") if value(stage, "inputCols") is not None else None
    if thresholds is None:
        thresholds = [stage.getThreshold()] * len(inputs)
    return [step("Binarizer", inputs, outputs, "binarize", thresholds=floats(thresholds))]


def _normalizer(stage: Any) -> list[Any]:
    inputs, outputs = columns_of(stage)
    return [step("Normalizer", inputs, outputs, "normalize", p=floats([stage.getP()]))]


def _affine(model: Any, shift: Any, spread: Any) -> list[Any]:
    """Return the step that subtracts `shift` and divides by `spread`; a spread of zero makes every value zero."""
    inputs, outputs = columns_of(model)
    scale = None
    if spread is not None:
        scale = floats([0.0 if s == 0.0 else 1.0 / s for s in dense(spread)])
    given = None if shift is None else floats(dense(shift))
    return [step(type(model).__name__, inputs, outputs, "affine", shift=given, scale=scale)]


def _standard_scaler(model: Any) -> list[Any]:
    with_mean, with_std = value(model, "withMean"), value(model, "withStd")
    return _affine(model, model.mean if with_mean else None, model.std if with_std else None)


def _robust_scaler(model: Any) -> list[Any]:
    centered, scaled = value(model, "withCentering"), value(model, "withScaling")
    return _affine(model, model.median if centered else None, model.range if scaled else None)


def _max_abs_scaler(model: Any) -> list[Any]:
    inputs, outputs = columns_of(model)
    scale = floats([1.0 if m == 0.0 else 1.0 / m for m in dense(model.maxAbs)])
    return [step("MaxAbsScalerModel", inputs, outputs, "affine", shift=None, scale=scale)]


def _min_max_scaler(model: Any) -> list[Any]:
    inputs, outputs = columns_of(model)
    return [
        step(
            "MinMaxScalerModel",
            inputs,
            outputs,
            "min_max",
            original_min=floats(dense(model.originalMin)),
            original_max=floats(dense(model.originalMax)),
            min=float(model.getMin()),
            max=float(model.getMax()),
        )
    ]


def _polynomial(stage: Any) -> list[Any]:
    inputs, outputs = columns_of(stage)
    return [step("PolynomialExpansion", inputs, outputs, "polynomial", degree=int(stage.getDegree()))]


def _pca(model: Any) -> list[Any]:
    inputs, outputs = columns_of(model)
    components = matrix(model.pc)
    return [
        step(
            "PCAModel", inputs, outputs, "project", matrix=floats(components.T), size=int(components.shape[0])
        )
    ]


def _tokenizer(stage: Any) -> list[Any]:
    inputs, outputs = columns_of(stage)
    return [
        step(
            "Tokenizer",
            inputs,
            outputs,
            "tokenize_text",
            pattern=r"\s",
            gaps=True,
            min_length=0,
            lowercase=True,
        )
    ]


def _regex_tokenizer(stage: Any) -> list[Any]:
    inputs, outputs = columns_of(stage)
    return [
        step(
            "RegexTokenizer",
            inputs,
            outputs,
            "tokenize_text",
            pattern=stage.getPattern(),
            gaps=bool(stage.getGaps()),
            min_length=int(stage.getMinTokenLength()),
            lowercase=bool(stage.getToLowercase()),
        )
    ]


def _stop_words(stage: Any) -> list[Any]:
    inputs, outputs = columns_of(stage)
    locale = value(stage, "locale", "en_US")
    sensitive = bool(stage.getCaseSensitive())
    if not sensitive and re.match(r"(tr|az|lt)(_|$)", locale):
        raise CannotCompile(f'its locale, "{locale}", has letter case of its own; set `caseSensitive`')
    words = list(stage.getStopWords())
    return [
        step("StopWordsRemover", inputs, outputs, "remove_stop_words", words=words, case_sensitive=sensitive)
    ]


def _n_gram(stage: Any) -> list[Any]:
    return [MultiNGram(inputCol=stage.getInputCol(), outputCol=stage.getOutputCol(), lengths=[stage.getN()])]


def _hashing(stage: Any) -> list[Any]:
    return [
        TextFeaturizerModel(
            inputCol=stage.getInputCol(),
            outputCol=stage.getOutputCol(),
            useTokenizer=False,
            binary=stage.getBinary(),
            numFeatures=stage.getNumFeatures(),
        )
    ]


def _counts(model: Any) -> list[Any]:
    inputs, outputs = columns_of(model)
    return [
        step(
            "CountVectorizerModel",
            inputs,
            outputs,
            "count_terms",
            vocabulary=list(model.vocabulary),
            min_tf=float(model.getMinTF()),
            binary=bool(model.getBinary()),
        )
    ]


def _idf(model: Any) -> list[Any]:
    inputs, outputs = columns_of(model)
    return [step("IDFModel", inputs, outputs, "weight_terms", weights=floats(dense(model.idf)))]


def _feature_hasher(stage: Any) -> list[Any]:
    inputs = list(stage.getInputCols())
    return [
        step(
            "FeatureHasher",
            inputs,
            [stage.getOutputCol()],
            "hash_features",
            num_features=int(stage.getNumFeatures()),
            names=inputs,
            categorical=list(value(stage, "categoricalCols") or []),
        )
    ]


_NAME = r"(?:`((?:[^`]|``)+)`|([^\W\d]\w*))"
_ITEM = re.compile(rf"^\s*{_NAME}(?:\s+(?:as\s+)?{_NAME})?\s*$", re.IGNORECASE)
_SELECT = re.compile(r"^\s*select\s+(.*?)\s+from\s+__THIS__\s*;?\s*$", re.IGNORECASE | re.DOTALL)


def _sql(stage: Any) -> list[Any]:
    """Return the stages of a statement that only selects and renames columns."""
    statement = stage.getStatement()
    found = _SELECT.match(statement)
    cause = f"its statement does more than select and rename columns: {statement[:200]}"
    if found is None:
        raise CannotCompile(cause)
    items = re.findall(r"(?:`(?:[^`]|``)*`|[^,`])+", found[1])
    every = [item.strip() for item in items if item.strip() == "*"]
    stages: list[Any] = []
    order: list[str] = []
    renames: list[tuple[str, str]] = []
    for number, item in enumerate(i for i in items if i.strip() != "*"):
        match = _ITEM.match(item)
        if match is None or (match[3] or match[4] or "").lower() == "as":
            raise CannotCompile(cause)
        old = (match[1] or match[2]).replace("``", "`")
        new = (match[3] or match[4] or old).replace("``", "`")
        if every:
            if new == old:
                raise CannotCompile(f"its statement gives two columns one name: {statement[:200]}")
            stages.append(Identity(inputCol=old, outputCol=new))
        elif new == old:
            order.append(old)
        else:
            copy = f"{stage.uid}_{number}"
            stages.append(Identity(inputCol=old, outputCol=copy))
            order.append(copy)
            renames.append((copy, new))
    if len(every) > 1:
        raise CannotCompile(cause)
    if not every:
        stages.append(SelectColumns(cols=order))
    return stages + [RenameColumn(inputCol=old, outputCol=new) for old, new in renames]


#: The readers of feature transformers, by class.
FEATURES: dict[str, Callable[[Any], list[Any]]] = {
    "StringIndexerModel": _string_indexer,
    "IndexToString": _index_to_string,
    "OneHotEncoderModel": _one_hot,
    "VectorAssembler": _assembler,
    "VectorSlicer": _slicer,
    "VectorSizeHint": _size_hint,
    "VectorIndexerModel": _vector_indexer,
    "ImputerModel": _imputer,
    "Bucketizer": _bucketizer,
    "Binarizer": _binarizer,
    "Normalizer": _normalizer,
    "StandardScalerModel": _standard_scaler,
    "MinMaxScalerModel": _min_max_scaler,
    "MaxAbsScalerModel": _max_abs_scaler,
    "RobustScalerModel": _robust_scaler,
    "PolynomialExpansion": _polynomial,
    "PCAModel": _pca,
    "ChiSqSelectorModel": _selector,
    "UnivariateFeatureSelectorModel": _selector,
    "VarianceThresholdSelectorModel": _selector,
    "Tokenizer": _tokenizer,
    "RegexTokenizer": _regex_tokenizer,
    "StopWordsRemover": _stop_words,
    "NGram": _n_gram,
    "HashingTF": _hashing,
    "CountVectorizerModel": _counts,
    "IDFModel": _idf,
    "FeatureHasher": _feature_hasher,
    "SQLTransformer": _sql,
}
