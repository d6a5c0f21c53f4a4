"""How the dbt project falls into steps: models of one layer and one partition scheme that one call of dbt builds.

The schema of a model is its layer. A model with a window column in `config.meta` is built by window. And
which model each data test is about: it runs when that model is built, and stops what hangs on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clientnest_assets.warehouse.behind import Inputs

BUILT = ("model", "seed")


@dataclass(frozen=True)
class Step:
    """Models and seeds that are built together, by dbt's unique id."""

    name: str
    layer: str
    is_windowed: bool
    models: tuple[str, ...]


def window_column(node: Mapping[str, Any]) -> str | None:
    """The date column by which a model is built; None for one that is built whole."""
    column: str | None = node["config"].get("meta", {}).get("window_column")
    return column


def _parents(node: Mapping[str, Any]) -> list[str]:
    # A seed has none, and no place for them.
    found: list[str] = node["depends_on"].get("nodes", [])
    return found


def steps(manifest: Mapping[str, Any]) -> list[Step]:
    """The project's steps in an order in which each finds its inputs built.

    A layer is few steps: one, if the layers follow each other strictly. Of the layers that could go on, one that can
    be finished goes first, and what is built by window waits longest.
    """
    waiting = {name: node for name, node in manifest["nodes"].items() if node["resource_type"] in BUILT}
    found: list[Step] = []
    while waiting:
        ready = _ready(waiting)
        left = [_scheme(node) for node in waiting.values()]
        layer, is_windowed = scheme = min(
            ready, key=lambda each: (left.count(each) > len(ready[each]), each[1], each[0])
        )
        before = sum(step.layer == layer for step in found)
        name = f"dbt_{layer}" + (f"_{before + 1}" if before else "")
        found.append(Step(name, layer, is_windowed, tuple(sorted(ready[scheme]))))
        for model in ready[scheme]:
            del waiting[model]
    return found


def _scheme(node: Mapping[str, Any]) -> tuple[str, bool]:
    return str(node["schema"]), window_column(node) is not None


def _ready(waiting: Mapping[str, Mapping[str, Any]]) -> dict[tuple[str, bool], list[str]]:
    """Of each scheme the models that wait for none but each other."""
    ready: dict[tuple[str, bool], list[str]] = {}
    for scheme in {_scheme(node) for node in waiting.values()}:
        own = {name for name, node in waiting.items() if _scheme(node) == scheme}
        others = waiting.keys() - own
        while blocked := {name for name in own if others.intersection(_parents(waiting[name]))}:
            own -= blocked
            others |= blocked
        if own:
            ready[scheme] = sorted(own)
    return ready


def tested_models(manifest: Mapping[str, Any]) -> dict[str, str]:
    """The model that each data test is about, by the tests' unique ids.

    A test that reads several models is about the one that is built last, for only then it can run; among those of the
    last step the one that it is written at.
    """
    nodes = manifest["nodes"]
    order = {name: number for number, step in enumerate(steps(manifest)) for name in step.models}
    depth = _depths({name: nodes[name] for name in order})
    found = {}
    for name, node in nodes.items():
        read = [each for each in _parents(node) if each in order]
        if node["resource_type"] == "test" and read:
            written_at = node.get("attached_node")
            found[name] = max(read, key=lambda each: (order[each], each == written_at, depth[each], each))
    return found


def _depths(nodes: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    found: dict[str, int] = {}

    def depth(name: str) -> int:
        if name not in found:
            parents = [each for each in _parents(nodes[name]) if each in nodes]
            found[name] = max((depth(parent) + 1 for parent in parents), default=0)
        return found[name]

    for name in nodes:
        depth(name)
    return found


def windowed_inputs(manifest: Mapping[str, Any]) -> dict[str, Inputs]:
    """The raw tables that each windowed model is made of, by the models' names."""
    nodes, sources = manifest["nodes"], manifest["sources"]
    tables: dict[str, frozenset[str]] = {name: frozenset([source["name"]]) for name, source in sources.items()}

    def upstream(name: str) -> frozenset[str]:
        if name not in tables:
            tables[name] = frozenset().union(*(upstream(each) for each in _parents(nodes[name])))
        return tables[name]

    return {
        node["name"]: Inputs(upstream(name), bool(node["config"]["meta"].get("looks_back")))
        for name, node in nodes.items()
        if node["resource_type"] in BUILT and window_column(node)
    }
