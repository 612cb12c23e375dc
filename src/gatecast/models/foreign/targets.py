"""Where a foreign model is found: a Python file, an entry point of a package, an adapter that gatecast has."""

from __future__ import annotations

import ast
import importlib.util
from dataclasses import dataclass
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Literal

from gatecast.errors import UsageError
from gatecast.models.adapters import ADAPTERS
from gatecast.text import listed, shown

GROUP = "gatecast.models"  # of the entry points that packages declare

_DEFINITIONS = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, kw_only=True)
class Target:
    """What to load, in the process that runs it: `attribute` of the file or module `place`, or the entry point `place`.

    `argument` goes to the class, as AutoETS in statsforecast:AutoETS. `version` is that of an adapter's library; None
    where code may change without one, as a file does.
    """

    kind: Literal["file", "entry point", "adapter"]
    place: str
    attribute: str = ""
    argument: str | None = None
    version: str | None = None


def find(word: str) -> Target | None:
    """The target that a word of `--models` names; None where it names none of these.

    `FILE.py:NAME`, an adapter as `statsforecast:AutoETS` or `fracast`, or the name of an entry point in the group
    `gatecast.models`. Nothing of it is run here. Raises `UsageError` where there is no such file, name or library.
    """
    file, colon, name = word.rpartition(":")
    if not colon and word.endswith(".py"):
        file, name = word, ""
    if file.endswith(".py"):
        return _in_file(Path(file), name)
    kind, _, argument = word.partition(":")
    if kind in ADAPTERS:
        return _adapter(kind, argument)
    if word in entry_names():
        return Target(kind="entry point", place=word)
    return None


def entry_names() -> tuple[str, ...]:
    """The models that installed packages offer, by name."""
    try:
        return tuple(sorted({found.name for found in entry_points(group=GROUP)}))
    except (TypeError, ValueError, OSError):  # a broken package, which need not be one of models
        return ()


def _in_file(path: Path, name: str) -> Target:
    try:
        if path.exists() and not path.is_file():
            raise OSError("it is no file")
        tree = ast.parse(path.read_bytes())
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"a model's file can be read; {shown(path)} cannot ({reason}). Check the path.") from None
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        line = f" at line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        raise UsageError(f"a model's file is Python; {shown(path)} is not{line}. Correct it.") from None
    known, everything = _names(tree)
    if not name or not (name in known or everything):
        defined = [each.name for each in tree.body if isinstance(each, _DEFINITIONS)]
        has = listed([word for word in defined if not word.startswith("_")], 10) or "nothing"
        raise UsageError(
            f"a class or function of the file is named after a colon, as in {path.name}:MyModel; got {shown(name)}. "
            f"It has: {has}."
        )
    return Target(kind="file", place=str(path.resolve()), attribute=name)


def _names(tree: ast.Module) -> tuple[list[str], bool]:
    """What a module defines first (classes, functions), then what it assigns and imports; whether it imports *."""
    defined, others, everything = [], [], False
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom | ast.Import):
            aliases = [alias.asname or alias.name for alias in node.names]
            others += aliases
            everything = everything or "*" in aliases
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            others.append(node.id)
    for statement in tree.body:
        if isinstance(statement, _DEFINITIONS):
            defined.append(statement.name)
        others += [inner.name for inner in ast.walk(statement) if isinstance(inner, _DEFINITIONS)]
    return list(dict.fromkeys([*defined, *others])), everything


def _adapter(kind: str, argument: str) -> Target:
    adapter = ADAPTERS[kind]
    if importlib.util.find_spec(kind) is None:
        raise UsageError(f"'{kind}' is not installed. Install it with: pip install 'gatecast[rivals]'.")
    if adapter.example and not argument.isidentifier():
        raise UsageError(f"a model of {kind} is named after a colon; got {shown(argument)}. Give {adapter.example}.")
    if not adapter.example and argument:
        raise UsageError(f"{kind} is one model; got {shown(argument)} after the colon. Leave it out.")
    place = f"gatecast.models.adapters.{kind}"
    return Target(
        kind="adapter", place=place, attribute=adapter.attribute, argument=argument or None, version=version(kind)
    )
