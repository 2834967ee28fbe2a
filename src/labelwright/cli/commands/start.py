"""`start`, `demo` and `worker`: run the workbench."""

import os
import threading
import time
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labelwright.cli.common import Database, Home, local_person

if TYPE_CHECKING:
    from labelwright.workbench import Workbench

Host = Annotated[str | None, typer.Option("--host", help="Address to listen on (default 127.0.0.1).")]
Port = Annotated[int | None, typer.Option("--port", help="Port (default 8080; 0 takes a free one).")]
HostName = Annotated[
    list[str] | None, typer.Option("--host-name", help="A further name this server answers to.")
]
Insecure = Annotated[
    bool,
    typer.Option("--insecure-network", help="Listen beyond this machine although no TLS proxy is in front."),
]
BehindTls = Annotated[bool, typer.Option("--behind-tls", help="A proxy in front ends TLS.")]
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Do not open the browser.")]


def add(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(start)
    app.command()(demo)
    app.command()(worker)


def start(
    home: Home = None,
    database: Database = None,
    host: Host = None,
    port: Port = None,
    host_name: HostName = None,
    behind_tls: BehindTls = False,
    insecure_network: Insecure = False,
    no_browser: NoBrowser = False,
) -> None:
    """Start the workbench and print the link that signs you in."""
    _serve(
        home, database, host, port, host_name or [], behind_tls, insecure_network, no_browser, with_demo=False
    )


def demo(
    home: Home = None,
    database: Database = None,
    host: Host = None,
    port: Port = None,
    no_browser: NoBrowser = False,
) -> None:
    """Start with three ready projects: two of texts, one of images."""
    _serve(home, database, host, port, [], False, False, no_browser, with_demo=True)


def worker(
    home: Home = None,
    database: Database = None,
    threads: Annotated[int, typer.Option("--threads", min=1, help="Jobs done at the same time.")] = 2,
) -> None:
    """Do background jobs (imports, model runs, exports) in a process of its own, until interrupted."""
    from labelwright.cli.common import workbench
    from labelwright.worker import Workers

    with workbench(home, database) as bench:
        workers = Workers(bench, threads)
        workers.start()
        typer.echo(f"{threads} workers wait for jobs; stop with ctrl+C", err=True)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            workers.stop()


def _serve(
    home: Path | None,
    database: str | None,
    host: str | None,
    port: int | None,
    host_names: list[str],
    behind_tls: bool,
    insecure_network: bool,
    no_browser: bool,
    *,
    with_demo: bool,
) -> None:
    import socket

    import uvicorn

    from labelwright.flows import people
    from labelwright.server.app import create_app
    from labelwright.settings import Settings
    from labelwright.workbench import open_workbench

    settings = Settings.read(
        home, database_url=database, host=host, port=port, host_names=tuple(host_names) or None,
        behind_tls=behind_tls or None,
    )  # fmt: skip
    _check_exposure(settings.host, behind_tls=settings.behind_tls, insecure_network=insecure_network)
    bench = open_workbench(settings)
    person = local_person(bench)
    if os.environ.get("LABELWRIGHT_MODEL_URL"):
        from labelwright.flows import models

        models.provider_from_environment(bench)
    if with_demo:
        _make_demo(bench)
    listener = _listen(settings.host, settings.port, explicit=port is not None)
    address = f"http://{_shown(settings.host)}:{listener.getsockname()[1]}"
    link = f"{address}/sign-in?link={people.make_link(bench, person.user_id)}"
    typer.echo(f"\n  Labelwright runs at {address}\n\n  Sign in with this one-time link:\n  {link}\n")
    typer.echo(f"  Data: {settings.home}    Stop: ctrl+C\n")
    if not no_browser:
        threading.Timer(0.8, webbrowser.open, [link]).start()
    config = uvicorn.Config(
        create_app(bench), log_level="warning", access_log=False, timeout_graceful_shutdown=5, server_header=False,
        # Longer than a person thinks over one asset, so that the next request need not connect anew.
        timeout_keep_alive=75, proxy_headers=settings.behind_tls, backlog=2048,
    )  # fmt: skip
    try:
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        bench.close()
        if isinstance(listener, socket.socket):
            listener.close()


def _check_exposure(host: str, *, behind_tls: bool, insecure_network: bool) -> None:
    from labelwright.core.errors import NotAllowed

    if host in ("127.0.0.1", "localhost", "::1") or behind_tls:
        return
    if not insecure_network:
        raise NotAllowed(
            "exposed", f"listening on {host} would send passwords over the network in clear",
            "put a TLS proxy in front and say --behind-tls, or say --insecure-network in a network you trust",
        )  # fmt: skip
    typer.secho("  Warning: no TLS. Passwords and texts cross the network in clear.", fg="yellow", err=True)


def _listen(host: str, port: int, *, explicit: bool) -> "socket.socket":  # type: ignore[name-defined]  # noqa: F821
    import socket

    from labelwright.core.errors import Conflict

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for wanted in (port,) if explicit else (port, 0):
        # Named TCP, because only then is Nagle's delay turned off for what it accepts: 40 ms per answer otherwise.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, wanted))
        except OSError as error:
            listener.close()
            if explicit:
                raise Conflict(
                    "port_taken", f"cannot listen on {host}:{port}: {error.strerror}", "choose another --port"
                ) from error
            continue
        return listener
    raise Conflict("port_taken", f"cannot listen on {host}", "choose another --host or --port")


def _shown(host: str) -> str:
    # Names for a wildcard address, to be shown in the link.
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(host, host)  # noqa: S104


def _make_demo(bench: "Workbench") -> None:
    from labelwright.flows.demo import make_demo

    made = make_demo(bench, local_person(bench))
    for project in made:
        typer.echo(f"  Demo project: {project.name}", err=True)
