"""Several queries in one statement: UNION ALL of their rows, each with the name of its query."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, cast, literal_column, null, union_all
from sqlalchemy.types import TypeEngine

from patient_visit_engine.storage.prepared_statements import PreparedQuery

#: A row, as values by the names of its columns.
Columns = dict[str, Any]
#: The column with the name of the query that a row is from.
PART = "part"


def union_rows(**queries: Select[Any]) -> PreparedQuery:
    """One statement for the rows of all these queries, in any order. A row has NULL in the columns of the other queries.

    Columns of one name share a column of the result. Raises TypeError when their types differ, because the result would have the
    type of the first one.
    """
    types: dict[str, TypeEngine[Any]] = {}
    for query in queries.values():
        for name, column in query.selected_columns.items():
            if type(types.setdefault(name, column.type)) is not type(column.type):
                raise TypeError(f"two queries have a column {name!r}, with different types")
    # PostgreSQL gives a column the type that it has in the first query, so there NULL needs its type.
    absent: dict[str, Any] = {name: cast(null(), column_type) for name, column_type in types.items()}
    parts = []
    for part, query in queries.items():
        columns = [query.selected_columns.get(name, absent[name]).label(name) for name in types]
        name_of_query: ColumnElement[str] = literal_column(f"'{part}'").label(PART)
        parts.append(query.with_only_columns(name_of_query, *columns, maintain_column_froms=True))
        absent = dict.fromkeys(types, null())
    return PreparedQuery(union_all(*parts))


def fetch_parts(connection: Connection, union: PreparedQuery, values: Mapping[str, object]) -> dict[str, list[Columns]]:
    """The rows of a statement of `union_rows`, by the name of their query. A query without rows has no entry."""
    parts: dict[str, list[Columns]] = {}
    for columns in union.rows(connection, values):
        parts.setdefault(columns[PART], []).append(columns)
    return parts
