"""Measures the search for a person among a million patients.

    .venv/bin/python -m bench.people                                    # SQLite, in a temporary folder
    .venv/bin/python -m bench.people --url postgresql+asyncpg://...     # an empty database on PostgreSQL

The names are made up. Some are as frequent as the most frequent names of a country: every fiftieth patient is a Maria.
"""

import argparse
import asyncio
import os
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from sqlalchemy import text

from patient_visit_engine.storage import migrations
from patient_visit_engine.storage.bulk_master_data import BATCH, PatientRow, add_missing
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.screens.patient_search import PatientQuery, search_patients
from patient_visit_engine.storage.tables import patients
from patient_visit_engine.wire.search_words import typed_words

SYLLABLES = ("ba", "do", "ke", "li", "mo", "na", "pe", "ri", "sa", "tu", "ve", "zo", "ha", "ci", "gre", "fan")
COMMON_FIRST = ("Maria", "Mohammed", "Jean-Pierre", "Ana", "Fatima", "José", "Sofía", "Ahmed")
COMMON_LAST = ("Santos", "da Silva", "O'Grady", "Nguyễn", "Martin", "García", "Müller", "Haddad")
#: Each of these is the first name, and the last name, of this part of the patients.
COMMON_PART = 0.02
#: No patient has a ticket.
TODAY = date(2026, 3, 2)


def made_up(draw: random.Random, common: tuple[str, ...]) -> str:
    """A common name, or one of 65,536 others."""
    place = int(draw.random() / COMMON_PART)
    if place < len(common):
        return common[place]
    return "".join(draw.choices(SYLLABLES, k=4)).capitalize()


def make_patients(count: int) -> Iterator[PatientRow]:
    draw = random.Random(1)
    for number in range(1, count + 1):
        year, month, day = draw.randint(1930, 2024), draw.randint(1, 12), draw.randint(1, 28)
        yield {
            "id": number,
            "first_name": made_up(draw, COMMON_FIRST),
            "last_name": made_up(draw, COMMON_LAST),
            "birth_date": f"{year}-{month:02}-{day:02}",
            "record_number": f"P{number:07}",
        }


async def add_patients(database: Database, count: int) -> None:
    batch: list[PatientRow] = []
    for row in make_patients(count):
        batch.append(row)
        if len(batch) == BATCH:
            await database.write(add_missing, patients, batch, ("first_name",))
            batch = []
    if batch:
        await database.write(add_missing, patients, batch, ("first_name",))


def searches(samples: list[PatientRow]) -> dict[str, list[str]]:
    """The searches of each kind."""
    draw = random.Random(2)
    return {
        "first and last name": [f"{row['first_name']} {row['last_name']}" for row in samples],
        "last name, first letters": [str(row["last_name"])[:5] for row in samples],
        "record number": [row["record_number"] for row in samples],
        "birth date": [row["birth_date"] for row in samples],
        "name and birth date": [f"{row['first_name']} {row['birth_date']}" for row in samples],
        "maria": ["maria"] * len(samples),
        "one letter": [draw.choice("bdklmnprstvz") for _ in samples],
        "maria and a rare name": [f"maria {''.join(draw.choices(SYLLABLES, k=4))}" for _ in samples],
        "maria santos": ["maria santos"] * len(samples),
        "maria and an unknown name": [f"maria {row['record_number'][1:]}x" for row in samples],
        "maria and one letter": [f"maria {draw.choice('bdklmnprstvz')}" for _ in samples],
    }


async def measure(database: Database, samples: list[PatientRow]) -> None:
    print(f"{'search':28} {'p50 ms':>8} {'p99 ms':>8} {'max ms':>8}")
    for kind, texts in searches(samples).items():
        elapsed = []
        for words in texts:
            began = time.perf_counter()
            await database.read(search_patients, PatientQuery(1, TODAY, typed_words(words)))
            elapsed.append((time.perf_counter() - began) * 1_000)
        percentiles = statistics.quantiles(elapsed, n=100, method="inclusive")
        print(f"{kind:28} {percentiles[49]:8.1f} {percentiles[98]:8.1f} {max(elapsed):8.1f}")


async def run(url: str, count: int, rounds: int) -> None:
    await asyncio.to_thread(migrations.upgrade, url)
    database = Database(url, statement_within=None)
    try:
        began = time.perf_counter()
        await add_patients(database, count)
        if not url.startswith("sqlite"):
            await database.write(lambda connection: connection.execute(text("ANALYZE")))
        print(f"{count:,} patients written in {time.perf_counter() - began:.0f} s")
        draw = random.Random(3)
        numbers = set(draw.sample(range(1, count + 1), min(rounds, count)))
        await measure(database, [row for row in make_patients(count) if row["id"] in numbers])
    finally:
        await database.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.people", description=__doc__)
    parser.add_argument("--url", help="an empty database; without it, SQLite in a temporary folder")
    parser.add_argument("--count", type=int, default=1_000_000, help="patients")
    parser.add_argument("--rounds", type=int, default=300, help="searches of each kind")
    options = parser.parse_args()
    print(f"load average of the machine: {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        url = options.url or f"sqlite+aiosqlite:///{Path(folder) / 'people.db'}"
        asyncio.run(run(url, options.count, options.rounds))
    print(f"load average at the end: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
