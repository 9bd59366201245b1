"""Hints that are lost, as on a PostgreSQL whose pooler drops notifications."""

import asyncio


class NoHints:
    """Loses every hint."""

    async def wait_for_hint(self, within: float) -> bool:
        await asyncio.sleep(within)
        return False

    def drop_hints(self) -> None:
        return
