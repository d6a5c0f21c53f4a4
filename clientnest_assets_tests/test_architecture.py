"""Which folder may import which: the table of the architecture, as a rule set that is checked."""

import ast
from pathlib import Path

import pytest

import clientnest_assets

PACKAGE = Path(clientnest_assets.__file__).parent
EVERYWHERE = {"errors", "partitions"}
"""The common base of errors, and days and windows: plain values that every layer speaks of."""
ENVIRONMENT = {"settings", "installation"}
MAY_IMPORT = {
    "errors": set(),
    "contracts": set(),
    "partitions": set(),
    "simulation": {"contracts"},
    "privacy": {"contracts"},
    "lake": {"contracts"},
    "sources": {"contracts", "privacy", "lake"},
    "warehouse": {"contracts", "lake", "sources", "settings"},
    "features": {"contracts", "lake", "warehouse"},
    "models": {"contracts", "lake", "features"},
    "insights": {"contracts", "models", "features", "warehouse"},
    "serving": {"contracts", "models", "features", "warehouse", "privacy", "lake", "sources", *ENVIRONMENT},
    "embedded": set(),
    "settings": set(),
    "installation": {"settings", "contracts", "embedded", "lake", "features"},
}
"""Layers of plain functions, and what each may import of ours beside itself and EVERYWHERE."""
ORCHESTRATION = {"defs", "cli", "definitions"}
"""May import everything below, and Dagster."""


def modules():
    return sorted(PACKAGE.rglob("*.py"))


def layer_of(parts):
    return parts[0].removesuffix(".py")


def imported(file):
    """The dotted names of all modules that a file imports, inside functions and for type checkers too."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively"
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def ours(file):
    """The layers of this package that a file imports."""
    known = {layer_of(module.relative_to(PACKAGE).parts) for module in modules()}
    found = {name.split(".")[1] for name in imported(file) if name.startswith("clientnest_assets.")}
    return found & known


@pytest.mark.parametrize("file", modules(), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_layers_import_downward_only(file):
    layer = layer_of(file.relative_to(PACKAGE).parts)
    if layer in ("__init__", *ORCHESTRATION):
        return
    assert layer in MAY_IMPORT, f"a new layer: say in {Path(__file__).name} what it may import"
    assert ours(file) <= {layer, *EVERYWHERE, *MAY_IMPORT[layer]}


@pytest.mark.parametrize("file", modules(), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_only_orchestration_knows_dagster(file):
    if layer_of(file.relative_to(PACKAGE).parts) not in ORCHESTRATION:
        assert not {name for name in imported(file) if name.split(".")[0].startswith("dagster")}


def test_the_rules_have_no_circle():
    reached = {}

    def below(layer, path=()):
        assert layer not in path, f"a circle: {' > '.join([*path, layer])}"
        if layer not in reached:
            reached[layer] = set().union(*(below(other, (*path, layer)) for other in MAY_IMPORT[layer])) | {layer}
        return reached[layer]

    assert all(layer in below(layer) for layer in MAY_IMPORT)


@pytest.mark.parametrize("file", modules(), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_every_module_says_what_belongs_in_it(file):
    text = file.read_text()
    assert not text.strip() or ast.get_docstring(ast.parse(text))


def test_definitions_know_the_command_line_nowhere():
    for file in modules():
        layer = layer_of(file.relative_to(PACKAGE).parts)
        if layer != "cli":
            assert "cli" not in ours(file), file
