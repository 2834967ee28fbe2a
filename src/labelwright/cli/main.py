"""`labelwright`: start the workbench, and do everything else from a terminal.

Each group of commands is a module with an `add(app)` function; heavy imports happen inside the commands, so that
`labelwright --help` answers at once.
"""

import pkgutil
from importlib import import_module

import typer

app = typer.Typer(
    name="labelwright",
    help="Label texts with models first and people as judges. Start with: labelwright demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

for _module in sorted(
    pkgutil.iter_modules(import_module("labelwright.cli.commands").__path__), key=lambda m: m.name
):
    import_module(f"labelwright.cli.commands.{_module.name}").add(app)


def main() -> None:
    """Run the command line; errors raised on purpose become one readable line and exit status 1."""
    from labelwright.core.errors import Invalid, LabelwrightError

    try:
        app()
    except LabelwrightError as error:
        typer.secho(f"labelwright: {error.message}", fg="red", err=True)
        for problem in error.problems[:20] if isinstance(error, Invalid) else ():
            typer.echo(f"  {problem.where}: {problem.message}", err=True)
        if error.hint:
            typer.echo(f"  {error.hint}", err=True)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
