"""Words of the command line as they are, and numbers: typer asks pydantic about any value, which takes 0.25 s to load.

Whatever else there is to a value (a bound that it is beyond, a path that has to exist, a word that is no number) is
left to typer, and so is every error.
"""

from typing import Any, Final

LEFT: Final = object()


class Plainly:
    """How a parameter's value is read, in the place of what typer would have made for it."""

    def __init__(self, parameter: Any) -> None:
        self._typers = parameter.get_runtime_param

    def __call__(self) -> "Plainly":
        return self

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        read = plainly(value, param)
        return self._typers().coerce(value, param=param, ctx=ctx) if read is LEFT else read


def plainly(value: Any, param: Any) -> Any:
    """The value, or LEFT where there is more to it."""
    several = param.multiple or param.nargs == -1
    wanted, info = param.type_descriptor.annotation, param.type_descriptor.parameter_info
    if value is None:
        return () if several else None
    if info.parser is not None:
        return LEFT
    if wanted is str and type(value) is str:
        return value
    if wanted == list[str] and isinstance(value, tuple | list) and all(type(each) is str for each in value):
        return list(value)
    if wanted is int and (type(value) is int or (type(value) is str and value.isascii() and value.isdecimal())):
        number = int(value)
        in_bounds = (info.min is None or info.min <= number) and (info.max is None or number <= info.max)
        return number if in_bounds else LEFT
    return LEFT
