"""`crumby openapi`: what programs can ask of this Crumby, for those that make clients of it. Nothing is served."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from crumby.cli.export import ExportError
from crumby.cli.people import Json, say
from crumby.settings import load_settings

Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="A file; else the terminal.", show_default=False)
]
Force = Annotated[bool, typer.Option("--force", help="Replace a file that is there.")]


def openapi(output: Output = None, force: Force = False, json_: Json = False) -> None:
    path = output.expanduser() if output else None
    if path and path.exists() and not force:
        raise ExportError(f"{output} is there already; --force replaces it")
    settings = load_settings()
    from crumby.app import Document
    from crumby.ingest.routes import Paths
    from crumby.reporting.query import QueryFolders

    queries = QueryFolders.laid_over(settings.queries)
    for query in queries.all():
        if query.error:
            print(f"crumby: {query.error}", file=sys.stderr)
    document = Document(queries, Paths(settings.hit_path, settings.script_path)).written()
    text = json.dumps(document, ensure_ascii=False, indent=2)
    if path is None:
        print(text)
        return
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(f"{text}\n", "utf-8")
    partial.replace(path)
    count = sum(len(methods) for methods in document["paths"].values())
    say({"file": str(path.absolute()), "operations": count}, f"{output} describes {count} operations", json_=json_)
