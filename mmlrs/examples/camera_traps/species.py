"""The kinds of animals: how large they are, which photographs show them, and their shape where none are installed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Photograph:
    """A photograph of Tux Paint, cut out."""

    #: Path below the folder of the stamps, without its suffix.
    path: str
    #: Height in metres of what it shows.
    metres: float
    #: Where it walks to: 1 is right, -1 left, and 0 nowhere.
    heading: int


@dataclass(frozen=True)
class Shape:
    """The proportions of a drawn animal, relative to the length of its trunk."""

    #: Height of the shoulder in metres.
    metres: float
    legs: float
    girth: float
    neck: float
    #: Angle of the neck above the horizontal, in degrees.
    raised: float
    head: float
    snout: float
    ears: float
    tail: float
    #: Thickness of the tail.
    brush: float
    #: Marks of the coat: "plain", "spotted", "patched" or "dark legs".
    coat: str
    #: Brightness of the coat, between 0 and 1.
    tone: float
    antlers: bool = False


@dataclass(frozen=True)
class Species:
    """A label of the data set."""

    photographs: tuple[Photograph, ...]
    #: None for those that do not walk on four legs, people and birds.
    shape: Shape | None


def _photographs(folder: str, *rows: tuple[str, float, int]) -> tuple[Photograph, ...]:
    return tuple(Photograph(f"{folder}/{name}", metres, heading) for name, metres, heading in rows)


_MAMMALS = "animals/mammals"
#: By label. Pictures without an animal have the label "empty".
SPECIES = {
    "badger": Species(
        _photographs(_MAMMALS, ("badger", 0.32, 1), ("ferret", 0.32, 0), ("aquatic/otter", 0.34, 1)),
        Shape(0.3, 0.2, 0.38, 0.15, 5, 0.2, 0.22, 0.04, 0.2, 0.07, "dark legs", 0.5),
    ),
    "bear": Species(
        _photographs(f"{_MAMMALS}/bears", ("bear", 1.05, 1), ("european-bear", 1.1, 1)),
        Shape(1.0, 0.36, 0.52, 0.22, 10, 0.26, 0.16, 0.07, 0.04, 0.06, "plain", 0.2),
    ),
    "bird": Species(
        _photographs(
            "animals/birds",
            ("crow", 0.4, 1), ("blackbird", 0.26, 1), ("pigeon", 0.32, -1), ("helmeted_guineafowl", 0.5, -1),
            ("guineafowl", 0.48, 1), ("hen", 0.42, 1), ("turkey", 0.9, -1), ("magpie", 0.35, 0), ("lark", 0.24, 1),
        ),
        None,
    ),
    "cat": Species(
        _photographs(
            f"{_MAMMALS}/cats",
            ("tiger", 0.75, 0), ("tiger_sumatran", 0.85, 1), ("lion", 0.6, 0), ("lion-2", 0.9, -1),
        ),
        Shape(0.65, 0.4, 0.33, 0.2, 15, 0.17, 0.07, 0.06, 0.8, 0.09, "spotted", 0.55),
    ),
    "cattle": Species(
        _photographs(
            f"{_MAMMALS}/bovines",
            ("bison", 1.6, 1), ("bull", 1.5, 0), ("cow", 1.4, 1), ("gnu-stand", 1.3, -1), ("gnu-baby", 1.0, -1), ("yak", 1.4, 1),
        ),
        Shape(1.3, 0.42, 0.48, 0.25, 0, 0.24, 0.2, 0.08, 0.4, 0.03, "patched", 0.45),
    ),
    "deer": Species(
        _photographs(
            f"{_MAMMALS}/deer", ("caribou", 1.5, 1), ("deer", 1.5, 0), ("doe", 0.85, 1), ("wapiti", 1.8, -1)
        ),
        Shape(1.1, 0.62, 0.36, 0.45, 55, 0.16, 0.15, 0.13, 0.08, 0.06, "plain", 0.5, antlers=True),
    ),
    "dog": Species(
        _photographs(f"{_MAMMALS}/dogs", ("dingo", 0.6, 1), ("dog", 0.75, 1), ("fox", 0.7, 0)),
        Shape(0.5, 0.5, 0.33, 0.25, 40, 0.2, 0.17, 0.12, 0.42, 0.1, "dark legs", 0.55),
    ),
    "goat": Species(
        _photographs(
            f"{_MAMMALS}/bovines",
            ("goat", 0.9, -1), ("mountaingoat", 0.95, 1), ("sheep", 0.7, 1), ("ram", 0.85, -1), ("sheep_lamb", 0.5, 0),
        ),
        Shape(0.75, 0.5, 0.42, 0.32, 45, 0.19, 0.13, 0.1, 0.1, 0.06, "patched", 0.7),
    ),
    "hare": Species(
        _photographs(_MAMMALS, ("rodents/rabbit", 0.3, 1), ("rodents/rabbit-2", 0.38, 0), ("rabbit_little", 0.3, 0)),
        Shape(0.3, 0.32, 0.5, 0.15, 50, 0.26, 0.1, 0.36, 0.08, 0.12, "plain", 0.55),
    ),
    "horse": Species(
        _photographs(f"{_MAMMALS}/equines", ("horse", 1.7, 1), ("zebra", 1.5, -1), ("donkey", 1.25, -1), ("donkey_eating", 1.1, 1)),
        Shape(1.4, 0.6, 0.4, 0.5, 45, 0.17, 0.24, 0.09, 0.5, 0.09, "plain", 0.35),
    ),
    "person": Species(
        _photographs("people", ("fireman240a", 1.75, -1), ("fireman200b", 1.75, -1)),
        None,
    ),
    "pig": Species(
        _photographs(_MAMMALS, ("wildboar", 0.95, 1), ("pig", 0.8, 1), ("pig_golden", 0.75, -1)),
        Shape(0.8, 0.32, 0.46, 0.14, 0, 0.26, 0.22, 0.1, 0.22, 0.02, "plain", 0.3),
    ),
    "rodent": Species(
        _photographs(
            f"{_MAMMALS}/rodents", ("capybara", 0.5, -1), ("marmot", 0.42, 0), ("squirrel", 0.28, 0), ("beaver", 0.4, -1)
        ),
        Shape(0.25, 0.18, 0.46, 0.12, 20, 0.26, 0.1, 0.06, 0.7, 0.2, "plain", 0.45),
    ),
}  # fmt: skip
