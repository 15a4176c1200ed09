"""How far long work has come: a bar on a terminal, and nothing at all elsewhere."""

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn


def progress() -> Progress:
    """On standard error, so that standard output has the answer alone; gone when the work is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def show(bar: Progress, doing: str, done: int, total: int | None) -> None:
    """One line: what is over goes. Without a total it only shows that it is alive."""
    shown = [task for task in bar.tasks if task.description == doing]
    if shown:
        bar.update(shown[0].id, completed=done)
        return
    for task in bar.tasks:
        bar.remove_task(task.id)
    bar.add_task(doing, completed=done, total=total)
