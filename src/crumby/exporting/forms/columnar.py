"""Parquet: typed columns, in groups of some ten thousand rows; by pyarrow, which is there for who asks for it."""

from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import IO, TYPE_CHECKING, Any, Final

from crumby.errors import CrumbyError
from crumby.exporting.columns import Rows, Shape, Type
from crumby.exporting.forms.embedded import text_of
from crumby.exporting.forms.filed import Filed, Record
from crumby.exporting.manifest import Part
from crumby.exporting.packing import Member, Packing

if TYPE_CHECKING:
    from pyarrow import Array, RecordBatch

GROUP: Final = 20_000  # rows, at least: 10 MiB of visits
READ: Final = 2000  # at a time


class ParquetMissing(CrumbyError):
    status = 422


class ParquetUnfit(CrumbyError):
    """A value is not of its column's type, and a typed column can't have it."""


def writer(packing: Packing) -> Filed:
    """Raises ParquetMissing."""
    _arrow()
    return Filed(packing, "parquet", _Groups, packed=True)


def _arrow() -> Any:
    try:
        return import_module("pyarrow")
    except ImportError:
        raise ParquetMissing(
            "Parquet takes pyarrow, which is not installed: `pip install 'crumby[parquet]'`; other forms need nothing"
        ) from None


def _types() -> dict[Type, Any]:
    arrow = _arrow()
    return {
        "integer": arrow.int64(),
        "float": arrow.float64(),
        "text": arrow.string(),
        "bytes": arrow.binary(),
        "datetime": arrow.timestamp("us"),
    }


class _Groups:
    """What is written waits as columns until it is a group."""

    def __init__(self, shape: Shape, member: Member) -> None:
        from pyarrow import PythonFile, schema
        from pyarrow.parquet import ParquetWriter

        types = _types()
        self._shape = shape
        self._schema = schema([(name, types[kind]) for name, kind in shape.columns])
        self._file = PythonFile(_Written(member), mode="w")
        self._parquet = ParquetWriter(self._file, self._schema, compression="zstd")
        self._waiting: list[RecordBatch] = []
        self._rows = 0

    def write(self, rows: Rows) -> None:
        from pyarrow import RecordBatch

        if not rows:
            return
        self._waiting.append(RecordBatch.from_arrays(self._columns(rows), schema=self._schema))
        self._rows += len(rows)
        if self._rows >= GROUP:
            self._flush()

    def _columns(self, rows: Rows) -> list["Array"]:
        given = zip(*rows, strict=True)
        return [
            _column(name, field.type, values)
            for (name, _), field, values in zip(self._shape.columns, self._schema, given, strict=True)
        ]

    def _flush(self) -> None:
        from pyarrow import Table

        if self._waiting:
            self._parquet.write_table(Table.from_batches(self._waiting), row_group_size=self._rows)
        self._waiting.clear()
        self._rows = 0

    def end(self) -> None:
        self._flush()
        self._parquet.close()
        self._file.close()


class _Written:
    """A file as pyarrow wants one to write to. The zip's member stays open, for its checksum."""

    closed = False

    def __init__(self, member: Member) -> None:
        self._member = member
        self._place = 0

    def write(self, piece: Any) -> int:
        octets = bytes(piece)
        self._place += len(octets)
        return self._member.write(octets)

    def tell(self) -> int:
        return self._place

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


def _column(name: str, kind: Any, values: Sequence[Any]) -> "Array":
    from pyarrow import ArrowException, array, binary

    try:
        try:
            return array(values, kind)
        except UnicodeEncodeError:  # octets that are no text go as they are
            octets = [value.encode(errors="surrogateescape") if isinstance(value, str) else value for value in values]
            return array(octets, binary()).view(kind)
    except (ArrowException, TypeError, ValueError) as error:
        raise ParquetUnfit(
            f"{name} is of type {kind} in Parquet, and holds a value that is none ({error}); take another form, "
            "which has it as it is"
        ) from error


def rows(file: IO[bytes], part: Part) -> Iterator[Record]:
    """Raises ValueError where it is no such file, and ParquetMissing."""
    arrow = _arrow()
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(file.name) as parquet:
            for batch in parquet.iter_batches(READ):
                columns = [_values(batch.column(name), kind) for name, kind in part.shape.columns]
                for values in zip(*columns, strict=True):
                    yield dict(zip(part.shape.names, values, strict=True))
    except (arrow.ArrowException, KeyError) as error:
        raise ValueError(str(error)) from error


def _values(column: "Array", kind: Type) -> list[Any]:
    if kind != "text":
        return list(column.to_pylist())
    from pyarrow import binary

    return [None if octets is None else text_of(octets) for octets in column.view(binary()).to_pylist()]
