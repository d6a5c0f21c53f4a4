"""A draft as the text of a mapping: YAML with the remarks beside what they are about."""

from __future__ import annotations

from collections import Counter
from typing import Any

import yaml

from clientnest_assets.sources.files.specs import FileForm
from clientnest_assets.sources.files.suggesting.draft import Cell, Draft

WIDTH = 10**6


def written(draft: Draft, source: str, kinds: dict[str, float]) -> str:
    """The mapping's text.

    Args:
        draft: what is proposed.
        source: a short name for where the file comes from.
        kinds: what the file was taken for, the likeliest first.
    """
    others = [kind.replace("_", " ") for kind in list(kinds)[1:3]]
    lines = [
        "# A proposal, made from the file's columns and values: look at each line, and most at those that say EDIT.",
        "# All that a mapping may say: docs/importing.md.",
        f"source: {source}",
        f"description: {_flow(draft.description)}",
    ]
    if others:
        lines.insert(2, f"# It could also be taken for: {', '.join(others)}.")
    form = _file(draft.columns.form)
    if form:
        lines += ["", "file:", *(f"  {name}: {_flow(value)}" for name, value in form.items())]
    if draft.personal:
        lines += [
            "",
            "# Name a person: pseudonymised wherever the value itself is kept, and ids made from them are keyed.",
            f"personal: {_flow(draft.personal)}",
        ]
    lines += ["", "tables:"]
    times = Counter(_flow(cell.spec) for cells in draft.tables.values() for cell in cells.values())
    anchors = {flow: "" for flow, count in times.items() if count > 1}
    for table, cells in draft.tables.items():
        lines.append(f"  {table}:")
        if table in draft.when:
            lines.append(f"    when: {_flow(draft.when[table])}")
        lines.append("    columns:")
        lines += [line for name, cell in cells.items() for line in _cell(name, cell, anchors)]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _cell(name: str, cell: Cell, anchors: dict[str, str]) -> list[str]:
    """A column's line, after its remark. What is said twice is said by reference the second time."""
    flow = _flow(cell.spec)
    if anchors.get(flow):
        return [f"      {name}: *{anchors[flow]}"]
    remark = [f"      # {cell.remark[0].upper()}{cell.remark[1:]}."] if cell.remark else []
    if flow in anchors and isinstance(cell.spec, dict) and "constant" not in cell.spec:
        anchors[flow] = name if name not in anchors.values() else f"{name}_{len(anchors)}"
        return [*remark, f"      {name}: &{anchors[flow]} {flow}"]
    return [*remark, f"      {name}: {flow}"]


def _file(form: FileForm) -> dict[str, Any]:
    given = form.model_dump(exclude_unset=True)
    return {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}


def _flow(value: Any) -> str:
    """The value in one line of YAML."""
    text = yaml.safe_dump(value, default_flow_style=True, width=WIDTH, allow_unicode=True, sort_keys=False)
    return text.strip().removesuffix("...").strip()
