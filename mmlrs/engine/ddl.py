"""Parse types in Spark's syntax, such as "array<string>", to Arrow types without a JVM."""

from __future__ import annotations

import re

import pyarrow as pa

__all__ = ["arrow_type"]

_SIMPLE = {
    "boolean": pa.bool_(),
    "tinyint": pa.int8(),
    "byte": pa.int8(),
    "smallint": pa.int16(),
    "short": pa.int16(),
    "int": pa.int32(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "long": pa.int64(),
    "float": pa.float32(),
    "real": pa.float32(),
    "double": pa.float64(),
    "string": pa.string(),
    "binary": pa.binary(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", "UTC"),
    "timestamp_ltz": pa.timestamp("us", "UTC"),
    "timestamp_ntz": pa.timestamp("us"),
}
_DECIMAL = ("decimal", "dec", "numeric")
_TOKEN = re.compile(r"\s*(`(?:[^`]|``)+`|\w+|[<>(),:])")


def arrow_type(text: str) -> pa.DataType:
    """Return the Arrow type of a type in Spark's syntax. Names and types without `struct<>` are a struct, as in Spark.

    Raises
    ------
    ValueError
        The text is not a type. The message names the part that cannot be read.
    """
    words = _Words(text)
    kind = words.fields(None) if words.names_a_field() else words.kind()
    if words.left():
        raise ValueError(f"`{text}` is not a type: unexpected `{words.next()}`")
    return kind


class _Words:
    """A parser of the tokens of a type, from left to right."""

    def __init__(self, text: str) -> None:
        self._text, self._words, at = text, [], 0
        text = text.rstrip()
        while at < len(text):
            match = _TOKEN.match(text, at)
            if not match:
                raise ValueError(f"`{self._text}` is not a type: `{text[at:]}` cannot be read")
            self._words.append(match[1])
            at = match.end()
        self._words.reverse()

    def left(self) -> int:
        return len(self._words)

    def next(self) -> str:
        if not self._words:
            raise ValueError(f"`{self._text}` is not a type: it ends too early")
        return self._words.pop()

    def expect(self, *allowed: str) -> str:
        token = self.next()
        if token not in allowed:
            raise ValueError(
                f"`{self._text}` is not a type: expected `{'` or `'.join(allowed)}`, got `{token}`"
            )
        return token

    def names_a_field(self) -> bool:
        """Return whether a name and its type follow."""
        return len(self._words) > 1 and self._words[-2] not in set("<>(),")

    def kind(self) -> pa.DataType:
        name = self.next()
        word = name.lower()
        if word in _SIMPLE:
            return _SIMPLE[word]
        if word in _DECIMAL:
            return self.decimal()
        if word == "array":
            self.expect("<")
            element = self.kind()
            self.expect(">")
            return pa.list_(element)
        if word == "map":
            self.expect("<")
            key = self.kind()
            self.expect(",")
            value = self.kind()
            self.expect(">")
            return pa.map_(key, value)
        if word == "struct":
            self.expect("<")
            return self.fields(">")
        raise ValueError(
            f"`{self._text}` is not a type: there is no `{name}`; the types are {', '.join(_SIMPLE)}, decimal, array, map, struct"
        )

    def decimal(self) -> pa.DataType:
        sizes = [10, 0]
        if self._words and self._words[-1] == "(":
            self.next()
            sizes[0] = self.number()
            if self.expect(",", ")") == ",":
                sizes[1] = self.number()
                self.expect(")")
        return pa.decimal128(*sizes)

    def number(self) -> int:
        token = self.next()
        if not token.isdecimal():
            raise ValueError(f"`{self._text}` is not a type: expected a number, got `{token}`")
        return int(token)

    def fields(self, end: str | None) -> pa.DataType:
        """Read names and types up to the token `end`, or to the end of the text."""
        fields = []
        while True:
            name = self.next()
            if self._words and self._words[-1] == ":":
                self.next()
            name = name[1:-1].replace("``", "`") if name.startswith("`") else name
            fields.append(pa.field(name, self.kind()))
            if end is None and not self._words:
                return pa.struct(fields)
            if self.expect(",", *([end] if end else [])) == end:
                return pa.struct(fields)
