"""Everything that is kept in SQL; it must not know Temporal or HTTP."""
