"""`crumby run`, as it is asked for; `serve.py` does it."""

from typing import Annotated

import typer

from crumby.cli.anew import become_server


def run(
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address to listen at; 0.0.0.0 is every one.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", help="Port to listen at.", min=0, max=65535)] = 5000,
    uds: Annotated[
        str | None, typer.Option(metavar="FILE", help="Listen at a Unix socket instead, for a proxy.")
    ] = None,
    workers: Annotated[int, typer.Option(metavar="N", help="Number of processes.", min=1, max=64)] = 1,
    root_path: Annotated[
        str, typer.Option(metavar="PATH", help="Path that a proxy serves Crumby below, such as /stats.")
    ] = "",
    reload: Annotated[bool, typer.Option("--reload", help="Start anew when the code changes.")] = False,
) -> None:
    become_server(locals())
