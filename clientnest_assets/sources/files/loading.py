"""Mappings from YAML: packaged ones by name, others by path, and what is wrong with one in words.

What a mapping may say is declared in `mapping.py`.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from clientnest_assets.sources.files.mapping import Mapping, MappingError

PACKAGE = "clientnest_assets.sources.mappings"


def load_mapping(where: str) -> Mapping:
    """The mapping in a file, or the packaged one of that name.

    Raises:
        MappingError: if there is no such mapping or it cannot be used; names file, key and remedy.
    """
    if where in packaged_mappings():
        text = resources.files(PACKAGE).joinpath(f"{where}.yaml").read_text("utf-8")
        return parse_mapping(text, f"{where}.yaml (packaged)")
    path = Path(where)
    if not path.is_file():
        raise MappingError(
            f"there is no mapping {where!r}: give the path of a .yaml file, or one of the packaged mappings "
            f"({', '.join(packaged_mappings())})."
        )
    try:
        return parse_mapping(path.read_text("utf-8"), where)
    except UnicodeDecodeError as error:
        raise MappingError(f"{where} is not UTF-8 text ({error.reason} at byte {error.start}).") from None


def packaged_mappings() -> list[str]:
    """The names of the mappings that come with the project."""
    folder = resources.files(PACKAGE)
    return sorted(item.name.removesuffix(".yaml") for item in folder.iterdir() if item.name.endswith(".yaml"))


def parse_mapping(text: str, name: str) -> Mapping:
    """The mapping that a YAML text describes; `name` is used in errors.

    Raises:
        MappingError: naming every key that is wrong, and the remedy.
    """
    try:
        content = yaml.load(text, _UniqueKeys)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        raise MappingError(f"{name} is not YAML: {error}") from None
    if not isinstance(content, dict):
        raise MappingError(f"{name} is no mapping: it must have at least the keys source and tables.")
    try:
        return Mapping.model_validate(content)
    except ValidationError as error:
        lines = "\n".join(f"  - {_problem(problem)}" for problem in error.errors())
        raise MappingError(f"{name} cannot be used:\n{lines}") from None


def _problem(problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"] if not str(part).startswith("function-"))
    message = str(problem["msg"]).removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        message = "unknown key; see docs/importing.md for the keys there are"
    elif problem["type"] == "missing":
        message = "is missing"
    return f"{where}: {message}" if where else message


class _UniqueKeys(yaml.SafeLoader):
    """Refuses a key that stands twice; YAML would keep the last one without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice in one place", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)
