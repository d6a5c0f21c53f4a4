"""`make bench`: every measurement with its limits, or one of them: `make bench BENCH=kafka`.

Ends with 1 if a limit was missed. Each measures itself against the bare engine, or against what the product promises,
in one run on one machine. `kills` and `honesty` take long and are only run by name.
"""

from __future__ import annotations

import typer
from rich.console import Console

from clientnest_assets_tests.benchmarks import (
    collector,
    features,
    honesty,
    kafka,
    kills,
    landing,
    layers,
    models,
    online,
    warehouse,
)

MEASUREMENTS = {
    "layers": layers.main,
    "warehouse": warehouse.main,
    "features": features.main,
    "landing": landing.main,
    "kafka": kafka.main,
    "collector": collector.main,
    "online": online.main,
    "models": models.main,
}

cli = typer.Typer(help=__doc__, context_settings={"help_option_names": ["-h", "--help"]})
for name, measure in {**MEASUREMENTS, "kills": kills.main, "honesty": honesty.main}.items():
    cli.command(name)(measure)


@cli.callback(invoke_without_command=True)
def everything(context: typer.Context) -> None:
    """Without a name: all but kills and honesty, one after the other, also after one that missed its limits."""
    if context.invoked_subcommand:
        return
    console = Console()
    missed = []
    for name, measure in MEASUREMENTS.items():
        console.rule(name)
        try:
            measure()
        except (typer.Exit, SystemExit) as end:
            if getattr(end, "exit_code", getattr(end, "code", 0)):
                missed.append(name)
    if missed:
        console.print(f"[red]missed a limit:[/] {', '.join(missed)}")
        raise typer.Exit(1)


if __name__ == "__main__":
    cli()
