"""Statements that run for each command. On SQLite their text is compiled once, and the driver runs it without SQLAlchemy's steps.

On SQLite, SQLAlchemy's work for each execution takes several times as long as the statement. On PostgreSQL a round trip takes longer
than both, so there SQLAlchemy executes these statements.
"""

import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import CompoundSelect, Connection, CursorResult, Delete, Dialect, Insert, Select, Update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.expression import ClauseElement

Values = Mapping[str, object]
Row = dict[str, Any]
_Convert = Callable[[Any], Any]


@dataclass(frozen=True)
class _SqliteText:
    """The text of a statement, and how to convert each of its parameters: name, fixed value, and the type's own conversion."""

    text: str
    parameters: tuple[tuple[str, object, _Convert | None], ...]

    def bind(self, values: Values) -> tuple[object, ...]:
        """The parameters in the order of the text."""
        return tuple(
            values.get(name, fixed) if convert is None else convert(values.get(name, fixed))
            for name, fixed, convert in self.parameters
        )


class PreparedWrite:
    """An INSERT, UPDATE or DELETE. Raises the errors of SQLAlchemy."""

    def __init__(self, statement: Insert | Update | Delete) -> None:
        self._statement = statement
        # By the names of the values: an UPDATE writes different columns for different decisions.
        self._texts: dict[tuple[str, ...], _SqliteText] = {}

    def execute(self, connection: Connection, values: Values) -> CursorResult[Any]:
        """Run the statement once."""
        if connection.dialect.name != "sqlite":
            return connection.execute(self._statement, values)
        text = self._text(connection.dialect, values)
        return connection.exec_driver_sql(text.text, text.bind(values))

    def execute_each(self, connection: Connection, rows: Sequence[Values]) -> None:
        """Run the statement for each row. All rows have the same names."""
        if connection.dialect.name != "sqlite":
            connection.execute(self._statement, rows)
            return
        text = self._text(connection.dialect, rows[0])
        connection.exec_driver_sql(text.text, [text.bind(row) for row in rows])

    def insert_row(self, connection: Connection, values: Values) -> int:
        """Insert one row, and return the id that the database gives it."""
        if connection.dialect.name != "sqlite":
            key = connection.execute(self._statement, values).inserted_primary_key
            assert key is not None
            return int(key.id)
        return int(self.execute(connection, values).lastrowid)

    def _text(self, dialect: Dialect, values: Values) -> _SqliteText:
        names = tuple(values)
        text = self._texts.get(names)
        if text is None:
            text = self._texts[names] = _compile(self._statement, dialect, names)
        return text


class PreparedQuery:
    """A SELECT with a fixed number of parameters. Raises the errors of SQLAlchemy."""

    def __init__(self, query: Select[Any] | CompoundSelect[Any]) -> None:
        self.query = query
        self._names = tuple(query.selected_columns.keys())
        self._text: _SqliteText | None = None
        self._conversions: tuple[tuple[str, _Convert], ...] = ()

    def rows(self, connection: Connection, values: Values) -> list[Row]:
        """The rows, as values by the names of their columns."""
        if connection.dialect.name != "sqlite":
            return [dict(zip(self._names, row, strict=True)) for row in connection.execute(self.query, values)]
        text = self._text or self._prepare(connection.dialect, values)
        try:
            # SQLAlchemy would build a description of all columns for each execution of a text.
            cursor = connection.connection.cursor()
            cursor.execute(text.text, text.bind(values))
            fetched = cursor.fetchall()
        except sqlite3.Error as error:
            raise DBAPIError.instance(text.text, None, error, sqlite3.Error, hide_parameters=True) from error
        return [self._convert(dict(zip(self._names, row, strict=True))) for row in fetched]

    def _convert(self, row: Row) -> Row:
        for name, convert in self._conversions:
            if row[name] is not None:
                row[name] = convert(row[name])
        return row

    def _prepare(self, dialect: Dialect, values: Values) -> _SqliteText:
        conversions = {
            name: column.type.dialect_impl(dialect).result_processor(dialect, None)
            for name, column in self.query.selected_columns.items()
        }
        self._conversions = tuple((name, convert) for name, convert in conversions.items() if convert is not None)
        # Last: another thread may use it as soon as it is set.
        self._text = _compile(self.query, dialect, values)
        return self._text


def _compile(statement: ClauseElement, dialect: Dialect, names: Collection[str]) -> _SqliteText:
    """Compile for SQLite. `names` are those of all values: the columns that are written, and the other parameters.

    Raises TypeError when a column has a default in Python, because SQLAlchemy would fill it in at each execution.
    """
    compiled: Any = statement.compile(dialect=dialect, column_keys=list(names))
    if compiled.prefetch:
        raise TypeError(f"give a value for {', '.join(column.name for column in compiled.prefetch)}")
    # Raises InvalidRequestError when the name of a parameter is not among the names.
    fixed = compiled.construct_params(dict.fromkeys(names))
    parameters = []
    for name in compiled.positiontup:
        column_type = compiled.binds[name].type.dialect_impl(dialect)
        parameters.append((name, fixed[name], column_type.bind_processor(dialect)))
    return _SqliteText(compiled.string, tuple(parameters))
