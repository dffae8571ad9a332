"""Which file of a Rust crate uses which, read from its sources."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

Module = tuple[str, ...]
"""A module by its path within the crate; `()` is the crate's root."""

_LITERALS = re.compile(
    r"""//[^\n]*|/\*.*?\*/|b?r(#*)".*?"\1|b?"(?:\\.|[^"\\])*"|b?'(?:\\[^']+|[^'\\])'""",
    re.DOTALL,
)
_USE = re.compile(r"(?:^|(?<=[;{}\]]))\s*(pub(?:\([^)]*\))?\s+)?use\s+([^;$#]+);", re.MULTILINE)
_PATH = re.compile(r"(?<![\w:])((?:[a-zA-Z_]\w*::)+)(\w+)")
_DESCRIPTOR = re.compile(r"#\[stage\(.*?\)\]", re.DOTALL)
_STAGES = re.compile(r"\bstages!\s*\{(.*?)\n\}", re.DOTALL)


@dataclass
class Source:
    """A file: what it imports, what it passes on to others, and the rest of its text."""

    imports: dict[str, tuple[str, ...]] = field(default_factory=dict)
    exports: dict[str, tuple[str, ...]] = field(default_factory=dict)
    globs: list[tuple[str, ...]] = field(default_factory=list)
    body: str = ""


class Crate:
    """The files of a crate.

    An edge leads from the file that uses an item to the file that *defines* it: a name is followed through `pub use` of
    `lib.rs` and `mod.rs`, so a re-export is no edge, and no way around one. `mod` declarations and the list of `stages!`
    are none either, since they are how a tree of modules is written, and `#[stage(model = ...)]` is a name, not a type. A `mod.rs` that calls its children and defines what
    they use is a circle like any other. Tests are left out: they may use anything. Methods are not seen, since their file
    does not follow from the text.
    """

    def __init__(self, src: Path) -> None:
        self.files: dict[Module, Path] = {
            _module(src, path): path for path in src.rglob("*.rs") if path.name != "main.rs"
        }
        texts = {module: _without_tests(path.read_text()) for module, path in self.files.items()}
        for module in _test_modules(src, self.files):
            texts.pop(module, None)
        self.sources = {module: self._read(module, text) for module, text in texts.items()}

    def _read(self, module: Module, text: str) -> Source:
        source = Source()

        def use(match: re.Match[str]) -> str:
            for path, name in _leaves(match[2]):
                target = source.exports if match[1] else source.imports
                if name == "*":
                    source.globs.append(path)
                else:
                    target[name] = path
            return ""

        def stages(match: re.Match[str]) -> str:
            for line in re.findall(r"(\w+):([^;]+);", match[1]):
                source.exports.update(
                    {stage: ("self", line[0], stage) for stage in re.findall(r"\w+ (\w+)", line[1])}
                )
            return ""

        source.body = _USE.sub(use, _STAGES.sub(stages, text))
        return source

    def resolve(
        self, module: Module, path: tuple[str, ...], seen: frozenset[object] = frozenset()
    ) -> Module | None:
        """The module of the crate that defines an item, or that is named; None for items of other crates."""
        if (module, path) in seen:
            return None
        seen |= {(module, path)}
        at, rest = module, path
        if rest[0] == "crate":
            at, rest = (), rest[1:]
        elif rest[0] == "self":
            rest = rest[1:]
        elif rest[0] != "super" and (*module, rest[0]) not in self.sources:
            source = self.sources[module]
            known = source.imports.get(rest[0]) or source.exports.get(rest[0])
            if not known or known[0] == rest[0]:  # a crate
                return None
            return self.resolve(module, (*known, *rest[1:]), seen)
        while rest and rest[0] == "super":
            at, rest = at[:-1], rest[1:]
        for number, name in enumerate(rest):
            if (*at, name) in self.sources:
                at = (*at, name)
                continue
            return self._item(at, rest[number:], seen)
        return at

    def _item(self, module: Module, path: tuple[str, ...], seen: frozenset[object]) -> Module | None:
        source = self.sources[module]
        if known := source.exports.get(path[0]) or source.imports.get(path[0]):
            return self.resolve(module, (*known, *path[1:]), seen)
        if not re.search(rf"\b{path[0]}\b", source.body):
            for known in source.globs:
                if (found := self.resolve(module, (*known, *path), seen)) is not None:
                    return found
        return module

    def _used(self, module: Module) -> Iterator[tuple[str, ...]]:
        """The paths of everything that a file uses."""
        source = self.sources[module]
        yield from source.globs
        for name, path in source.imports.items():
            target = self.resolve(module, path)
            if target is None or not self._names_module(module, path):
                yield path
            else:  # a module: what counts is what is taken from it
                yield from ((*path, item) for item in re.findall(rf"(?<![\w:]){name}::(\w+)", source.body))
        yield from (path for name, path in source.exports.items() if re.search(rf"\b{name}\b", source.body))
        yield from ((*match[1].split("::")[:-1], match[2]) for match in _PATH.finditer(source.body))

    def _names_module(self, module: Module, path: tuple[str, ...]) -> bool:
        return (self.resolve(module, path) or ())[-1:] == path[-1:]

    @cached_property
    def edges(self) -> dict[Module, set[Module]]:
        """For each file those that define what it uses."""
        return {
            module: {
                target for path in self._used(module) if (target := self.resolve(module, path)) is not None
            }
            - {module}
            for module in self.sources
        }

    @cached_property
    def folder_edges(self) -> dict[Module, set[Module]]:
        """For each folder, or file beside the root, those that it uses."""
        folders: dict[Module, set[Module]] = {module[:1]: set() for module in self.edges}
        for module, targets in self.edges.items():
            folders[module[:1]] |= {target[:1] for target in targets} - {module[:1]}
        return folders

    def circles(self) -> list[list[str]]:
        """Files that use each other, by way of others too: each group once."""
        return _circles(self.edges)

    def folder_circles(self) -> list[list[str]]:
        """Folders that use each other, likewise."""
        return _circles(self.folder_edges)


def _circles(edges: dict[Module, set[Module]]) -> list[list[str]]:
    reach = {module: _reachable(edges, module) for module in edges}
    groups = {frozenset(other for other in reach[m] if m in reach[other]) for m in reach if m in reach[m]}
    return sorted(sorted("::".join(("crate", *module)) for module in group) for group in groups)


def _reachable(edges: dict[Module, set[Module]], start: Module) -> set[Module]:
    reached: set[Module] = set()
    waiting = [start]
    while waiting:
        for target in edges[waiting.pop()] - reached:
            reached.add(target)
            waiting.append(target)
    return reached


def _module(src: Path, path: Path) -> Module:
    parts = path.relative_to(src).with_suffix("").parts
    return parts[:-1] if parts[-1] in ("mod", "lib") else parts


def _without_tests(text: str) -> str:
    """The code without comments, text and items that only tests have."""
    text = _DESCRIPTOR.sub(" ", _LITERALS.sub(" ", text))
    while match := re.search(r"#\[cfg\(test\)\]\s*", text):
        end = match.end()
        depth = 0
        while end < len(text):
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            if depth == 0 and text[end] in ";}":
                break
            end += 1
        text = text[: match.start()] + text[end + 1 :]
    return text


def _test_modules(src: Path, files: dict[Module, Path]) -> Iterator[Module]:
    for module, path in files.items():
        for name in re.findall(r"#\[cfg\(test\)\]\s*(?:pub )?mod (\w+);", path.read_text()):
            yield (*module, name)


def _leaves(tree: str, prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """The items of a `use`, each as its path and the name that it has here."""
    tree = re.sub(r"\s+", " ", tree.strip())
    if (brace := tree.find("{")) >= 0:
        head = tuple(part for part in tree[:brace].split("::") if part)
        for part in _split(tree[brace + 1 : tree.rindex("}")]):
            yield from _leaves(part, prefix + head)
        return
    path, _, alias = tree.partition(" as ")
    parts = prefix + tuple(part for part in path.split("::") if part)
    if parts[-1] == "*":
        yield parts[:-1], "*"
    elif parts[-1] == "self":
        yield parts[:-1], alias or parts[-2]
    else:
        yield parts, alias or parts[-1]


def _split(text: str) -> Iterator[str]:
    depth, start = 0, 0
    for at, letter in enumerate(text):
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            yield text[start:at]
            start = at + 1
    if text[start:].strip():
        yield text[start:]
