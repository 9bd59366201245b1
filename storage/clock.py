"""The database's clock, which is the same for all processes of one database."""

from datetime import datetime
from typing import Any

from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from patient_visit_engine.storage.tables.columns import Timestamp


class _DatabaseNow(FunctionElement[datetime]):
    type = Timestamp()
    inherit_cache = True


@compiles(_DatabaseNow, "sqlite")
def _on_sqlite(_element: Any, _compiler: Any, **_options: Any) -> str:
    return "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"


@compiles(_DatabaseNow, "postgresql")
def _on_postgresql(_element: Any, _compiler: Any, **_options: Any) -> str:
    # Not now(). That is the start of the transaction, and the transaction may have waited for a lock since then.
    return "date_trunc('milliseconds', clock_timestamp())"


#: The time of the statement, in UTC with milliseconds, as a column of a query.
DATABASE_NOW = _DatabaseNow()
