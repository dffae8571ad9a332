"""Models of mmlrs and Spark ML in MLflow: a flavor whose models score in a process without Spark and without Java.

It needs the package mlflow-skinny or mlflow, version 3, and pandas: `pip install "mmlrs[mlflow]"`. A saved model holds native stages
in the layout of `stage.save`, and no pickle.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import metadata as packages
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mmlrs
from mmlrs._allowed import allow_functions as allowing
from mmlrs._allowed import names_of
from mmlrs._descriptors import stage_spec
from mmlrs._names import public
from mmlrs._paths import PathLike, path_of
from mmlrs._saved import load_stage
from mmlrs.compiled._answers import Scorer, frame_of
from mmlrs.compiled._parts import parts_of
from mmlrs.errors import InvalidParamError, IoError, MissingPackageError
from mmlrs.params.stages import class_name, stages_in
from mmlrs.persistence import locally

if TYPE_CHECKING:
    from mlflow.models import Model, ModelSignature
    from mlflow.models.model import ModelInfo

    from mmlrs._types import AnyStage

__all__ = ["FLAVOR_NAME", "get_default_pip_requirements", "load_model", "log_model", "save_model"]

__dir__ = public(globals())

#: The name of the flavor in a file MLmodel.
FLAVOR_NAME = "mmlrs"

#: The folder of the stages, numbered from 0, in the folder of a model.
_DATA = "model"


def save_model(
    model: AnyStage | Sequence[AnyStage],
    path: PathLike,
    *,
    signature: ModelSignature | bool | None = None,
    input_example: Any = None,
    conda_env: dict[str, Any] | str | None = None,
    pip_requirements: Sequence[str] | str | None = None,
    extra_pip_requirements: Sequence[str] | str | None = None,
    code_paths: list[str] | None = None,
    metadata: dict[str, Any] | None = None,
    mlflow_model: Model | None = None,
) -> None:
    """Save a model to a local folder in MLflow's format, with the flavors `mmlrs` and `python_function`.

    `mlflow.pyfunc.load_model(path).predict(rows)` returns a pandas DataFrame of the columns that the model adds, without those of
    `rows`. Of a model with a learner, these are the columns of the learner and of the stages after it: rawPrediction, probability,
    prediction and predictedLabel, as far as the model has them. To choose others, save `mmlrs.compile(model, outputCols=[...])`.
    Vectors are arrays of doubles.

    Parameters
    ----------
    model : Transformer or list of Transformer
        A stage of mmlrs that works on tables, such as a `CompiledModel`; a list of such stages; or a fitted pipeline or model of
        Spark ML, with stages of mmlrs or without, which `mmlrs.compile` turns into native stages.
    path : path
        The folder to write. It must not exist, or be empty.
    signature : mlflow.models.ModelSignature, optional
        The names and types of the columns that the model reads and adds. If not given, it is inferred from `input_example` and the
        answer of the model for it. MLflow checks the rows of each call against it. False: none.
    input_example : pandas.DataFrame, dict, list of dict or table, optional
        A few rows to store with the model; a dict is one row. Columns that the model does not read are left out.
    conda_env : dict or str, optional
        A conda environment, or the path of its file, instead of the one for the requirements.
    pip_requirements : list of str or str, optional
        Requirements, or the path of their file, instead of those of `get_default_pip_requirements`.
    extra_pip_requirements : list of str or str, optional
        Requirements in addition to those.
    code_paths : list of str, optional
        Files and folders of Python code to store with the model, for functions that its stages call.
    metadata : dict, optional
        Facts of your own to store in the file MLmodel.
    mlflow_model : mlflow.models.Model, optional
        The description that the flavors are added to. `log_model` passes it.

    Raises
    ------
    InvalidParamError
        The model is not fitted, a stage of it cannot be compiled or needs Spark, or a param holds a value that cannot be saved.
    MissingPackageError
        MLflow is not installed.
    MmlrsError
        The model cannot score the input example. The message names stage and column.
    mlflow.exceptions.MlflowException
        The folder is not empty, or an argument contradicts another.

    Examples
    --------
    >>> import tempfile
    >>> import mlflow, mmlrs.mlflow
    >>> import pyarrow as pa
    >>> from mmlrs.featurize import ValueIndexer
    >>> model = ValueIndexer(inputCol="size", outputCol="index").fit(pa.table({"size": ["S", "L"]}))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     mmlrs.mlflow.save_model(model, f"{folder}/model", input_example={"size": "S"})
    ...     scorer = mlflow.pyfunc.load_model(f"{folder}/model")
    >>> scorer.metadata.get_input_schema()
    ['size': string (required)]
    >>> scorer.predict([{"size": "S"}, {"size": "L"}])["index"].tolist()
    [1.0, 0.0]
    """
    pyfunc = _mlflow("save_model").pyfunc
    from mlflow.models import Model
    from mlflow.models.utils import _save_example
    from mlflow.utils.environment import _validate_env_arguments
    from mlflow.utils.model_utils import (
        _validate_and_copy_code_paths,
        _validate_and_prepare_target_save_path,
    )

    _validate_env_arguments(conda_env, pip_requirements, extra_pip_requirements)
    stages = parts_of(model)
    folder = Path(os.path.abspath(path_of(path, "save_model: param `path`")))
    mlflow_model = Model() if mlflow_model is None else mlflow_model
    example = None
    if input_example is not None:
        example, inferred = _example(stages, input_example)
        signature = inferred if signature is None else signature
    _validate_and_prepare_target_save_path(str(folder))
    code = _validate_and_copy_code_paths(code_paths, str(folder))
    with locally():
        for number, stage in enumerate(stages):
            stage.save(folder / _DATA / str(number))
    _save_example(mlflow_model, example, str(folder))
    if signature is not None and signature is not False:
        mlflow_model.signature = signature
    if metadata is not None:
        mlflow_model.metadata = metadata
    environment = {"conda_env": "conda.yaml", "python_env": "python_env.yaml"}
    pyfunc.add_to_model(mlflow_model, loader_module="mmlrs.mlflow", data=_DATA, code=code, **environment)
    names = [class_name(stage) for stage in stages]
    mlflow_model.add_flavor(
        FLAVOR_NAME,
        mmlrs_version=mmlrs.__version__,
        data=_DATA,
        model_class=names if len(names) > 1 else names[0],
        **({} if code is None else {"code": code}),
    )
    mlflow_model.save(str(folder / "MLmodel"))
    default = get_default_pip_requirements(stages)
    _write_environment(folder, conda_env, default, pip_requirements, extra_pip_requirements)


def log_model(
    model: AnyStage | Sequence[AnyStage],
    artifact_path: str | None = None,
    *,
    name: str | None = None,
    signature: ModelSignature | bool | None = None,
    input_example: Any = None,
    registered_model_name: str | None = None,
    **kwargs: Any,
) -> ModelInfo:
    """Log a model to the active run of MLflow, or to a new one, with the flavors `mmlrs` and `python_function`.

    Parameters
    ----------
    model, signature, input_example
        As in `save_model`.
    artifact_path : str, optional
        MLflow's old name of `name`.
    name : str, optional
        Name of the logged model.
    registered_model_name : str, optional
        Also register a version of the model with this name.
    **kwargs
        Other arguments of `save_model`, except `path` and `mlflow_model`, and of `mlflow.models.Model.log`, such as `tags`.

    Returns
    -------
    mlflow.models.model.ModelInfo
        What MLflow knows of the logged model, such as its `model_uri`.

    Raises
    ------
    MmlrsError
        As in `save_model`.

    Examples
    --------
    >>> import mlflow, mmlrs.mlflow
    >>> with mlflow.start_run():  # doctest: +SKIP
    ...     info = mmlrs.mlflow.log_model(model, name="iris", input_example=rows)
    >>> mlflow.pyfunc.load_model(info.model_uri).predict(rows)  # doctest: +SKIP
    """
    _mlflow("log_model")
    from mlflow.models import Model

    return Model.log(
        artifact_path=artifact_path,
        name=name,
        flavor=mmlrs.mlflow,
        registered_model_name=registered_model_name,
        model=model,
        signature=signature,
        input_example=input_example,
        **kwargs,
    )


def load_model(
    model_uri: str,
    dst_path: str | None = None,
    *,
    allow_functions: Sequence[str] = (),
) -> Any:
    """Load the stages of a model that `save_model` or `log_model` wrote.

    Parameters
    ----------
    model_uri : str
        A path, or a URI of MLflow such as "models:/iris/3" or "runs:/<run>/model".
    dst_path : str, optional
        An existing local folder to download to. If not given, a temporary one.
    allow_functions : list of str
        Names of the functions that the stages may call, or of their modules, as `mmlrs.allow_functions` takes them. A compiled model
        needs none. For `mlflow.pyfunc.load_model`, use `with mmlrs.allow_functions(...)`.

    Returns
    -------
    Transformer or list of Transformer
        The stage; for a model that could not become one stage, a list of stages to apply one after the other.

    Raises
    ------
    IoError
        The model is damaged, of another flavor, or names a function that is not allowed.
    MissingPackageError
        MLflow is not installed.

    Examples
    --------
    >>> import tempfile
    >>> import mmlrs.mlflow
    >>> from mmlrs.text import TextPreprocessor
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     mmlrs.mlflow.save_model(TextPreprocessor(inputCol="text", outputCol="out"), f"{folder}/model")
    ...     mmlrs.mlflow.load_model(f"{folder}/model")
    TextPreprocessor(inputCol='text', outputCol='out')
    """
    mlflow = _mlflow("load_model")
    from mlflow.models import Model

    names = names_of(allow_functions)
    folder = mlflow.artifacts.download_artifacts(artifact_uri=model_uri, dst_path=dst_path)
    flavor = Model.load(folder).flavors.get(FLAVOR_NAME)
    if flavor is None:
        raise IoError(
            f"load_model: {model_uri}: the model has no flavor `{FLAVOR_NAME}`; load it with mlflow.pyfunc.load_model"
        )
    with allowing(*names):
        stages = _loaded(os.path.join(folder, _DATA))
    return stages[0] if len(stages) == 1 else stages


def get_default_pip_requirements(model: AnyStage | Sequence[AnyStage]) -> list[str]:
    """Return what is recorded as the requirements of a model: mmlrs, MLflow, pandas, and onnxruntime if it has a network.

    Parameters
    ----------
    model : Transformer or list of Transformer
        A model as in `save_model`.

    Returns
    -------
    list of str
        Requirements of pip, in the versions that are installed.

    Examples
    --------
    >>> import mmlrs.mlflow
    >>> from mmlrs.text import TextPreprocessor
    >>> found = mmlrs.mlflow.get_default_pip_requirements(TextPreprocessor())
    >>> [requirement.partition("==")[0] for requirement in found]
    ['mlflow-skinny', 'mmlrs', 'pandas']
    """
    wanted = [("mlflow", "mlflow-skinny"), ("pandas",)]
    if any(_has_network(inner) for stage in parts_of(model) for inner in stages_in(stage)):
        wanted.append(("onnxruntime", "onnxruntime-gpu"))
    return sorted([f"mmlrs=={mmlrs.__version__}", *map(_pinned, wanted)])


def _has_network(stage: Any) -> bool:
    return any(param["type"] == "model" for param in stage_spec(stage._stage)["params"])


def _pinned(names: Sequence[str]) -> str:
    """Return the requirement of the first of these packages that is installed, in its version; of the first if none is."""
    for name in names:
        try:
            return f"{name}=={packages.version(name)}"
        except packages.PackageNotFoundError:
            continue
    return names[0]


def _mlflow(function: str) -> Any:
    """Return the package mlflow. `function` begins the error if it is not installed."""
    try:
        import mlflow.pyfunc
    except ImportError as error:
        raise MissingPackageError(
            f'{function}: mlflow cannot be imported ({error}): pip install "mmlrs[mlflow]"'
        ) from None
    return mlflow


def _example(stages: Sequence[Any], rows: Any) -> tuple[Any, Any]:
    """Return the columns of rows that the stages read, and the signature of the answer for them."""
    from mlflow.models import infer_signature

    frame = frame_of(rows, "save_model: param `input_example`")
    scorer = Scorer(stages, "save_model: param `input_example`")
    frame = frame[scorer.columns_read(list(frame.columns))]
    return frame, infer_signature(frame, scorer.predict(frame))


def _write_environment(
    folder: Path, conda_env: Any, default: list[str], requirements: Any, extra_requirements: Any
) -> None:
    """Write what the model needs, in the files that MLflow reads."""
    import yaml
    from mlflow.utils.environment import (
        _process_conda_env,
        _process_pip_requirements,
        _PythonEnv,
    )

    if conda_env is None:
        processed = _process_pip_requirements(default, requirements, extra_requirements)
    else:
        processed = _process_conda_env(conda_env)
    conda, pip, constraints = processed
    (folder / "conda.yaml").write_text(yaml.safe_dump(conda, default_flow_style=False), encoding="utf-8")
    (folder / "requirements.txt").write_text("\n".join(pip), encoding="utf-8")
    if constraints:
        (folder / "constraints.txt").write_text("\n".join(constraints), encoding="utf-8")
    _PythonEnv.current().to_yaml(str(folder / "python_env.yaml"))


def _loaded(folder: str) -> list[Any]:
    """Return the stages in a folder."""
    numbers = sorted(
        int(name) for name in (os.listdir(folder) if os.path.isdir(folder) else []) if name.isdecimal()
    )
    if not numbers or numbers != list(range(len(numbers))):
        raise IoError(f"{folder}: has no stages numbered from 0; the saved model is damaged")
    with locally():
        return [load_stage(None, f"{folder}/{number}") for number in numbers]


class _PyFunc:
    """What `mlflow.pyfunc.load_model` wraps."""

    def __init__(self, stages: Sequence[Any]) -> None:
        self.stages = list(stages)
        self.scorer = Scorer(stages, "predict")

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """Return the answers as a pandas DataFrame."""
        if params:
            raise InvalidParamError(f"predict: param `params`: the model has no params, got {params!r:.200}")
        return self.scorer.predict(data)

    def get_raw_model(self) -> Any:
        """Return the stage, or the list of stages."""
        return self.stages[0] if len(self.stages) == 1 else self.stages


def _load_pyfunc(path: str, model_config: dict[str, Any] | None = None) -> _PyFunc:
    """Load the stages in the folder of a model's data. MLflow calls this function.

    `model_config` may come from the model's own file, so it allows no functions.
    """
    if model_config:
        raise InvalidParamError(
            f"load_model: param `model_config`: the flavor has no configuration, got {model_config!r:.200}"
        )
    return _PyFunc(_loaded(path))
