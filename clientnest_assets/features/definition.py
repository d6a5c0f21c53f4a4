"""What a feature view's code is, as text: the function that computes it, and whatever of ours that function reaches.

Comments, docstrings, annotations and layout are no part of it, nor are the descriptions of features.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from functools import partial
from types import FunctionType
from typing import Any

PACKAGE = "clientnest_assets"
PLAIN = (bool, int, float, str, bytes, type(None))


class NoSourceError(ValueError):
    """A function has no source of its own that could be read."""


def code_of(function: Callable[..., Any]) -> str:
    """The canonical source of a function, of the functions of this package that it calls, and of the constants they use.

    Python's own `ast.unparse` writes it, so that layout does not matter. Follows names, decorators and classes of this
    package; libraries count by their names alone. What a cached function without arguments returns is a constant too:
    that is how rules come out of a file.

    Raises:
        NoSourceError: for a lambda, or what was made at run time.
    """
    return "\n".join(f"# {name}\n{text}" for name, text in sorted(_reached(function, {}).items()))


def _reached(found_by_now: Any, found: dict[str, str]) -> dict[str, str]:
    function = inspect.unwrap(found_by_now)
    name = f"{function.__module__}.{function.__qualname__}"
    if name in found:
        return found
    tree = _tree(function)
    found[name] = ast.unparse(tree)
    if hasattr(found_by_now, "cache_info") and not inspect.signature(function).parameters:
        found[f"{name}()"] = repr(found_by_now())
    namespace = vars(inspect.getmodule(function))
    for used in sorted({node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}):
        value = namespace.get(used)
        if isinstance(value, (FunctionType, type)) or hasattr(value, "__wrapped__"):
            if value.__module__.startswith(PACKAGE):
                _reached(value, found)
        elif text := _constant(value):
            found[f"{function.__module__}.{used}"] = text
    return found


def _tree(function: Any) -> ast.Module:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError) as error:
        raise NoSourceError(f"{function} has no source of its own: compute a view by a function with a name") from error
    if not isinstance(tree.body[0], (ast.FunctionDef, ast.ClassDef)):
        raise NoSourceError(f"{function} has no source of its own: compute a view by a function with a name")
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            node.body = [each for each in node.body if not _is_text(each)] or [ast.Pass()]
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        if isinstance(node, ast.arg):
            node.annotation = None
    return tree


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _constant(value: Any) -> str | None:
    """A constant as text, if it is made of plain values only; declarations of features and other objects are not."""
    return repr(value) if value is not None and all(map(partial(_is_plain), _leaves(value))) else None


def _is_plain(value: Any) -> bool:
    return isinstance(value, PLAIN) or type(value).__module__ == "datetime"


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, (tuple, list)) and not hasattr(value, "_fields"):
        for each in value:
            yield from _leaves(each)
    elif isinstance(value, dict):
        for name, each in value.items():
            yield name
            yield from _leaves(each)
    else:
        yield value
