"""Made-up names and numbers that are always the same for the same input.

No data set names its patients, so their names come from here.
"""

import hashlib

GIVEN_NAMES = (
    *("Alba", "Bruno", "Clara", "Dario", "Elena", "Fabio", "Greta", "Hugo"),
    *("Irene", "Jonas", "Karin", "Louis", "Marta", "Nadia", "Oscar", "Paula"),
    *("Quentin", "Rita", "Simon", "Tessa", "Ulrich", "Vera", "Walter", "Xenia"),
    *("Yann", "Zora", "Agnes", "Boris", "Celia", "Denis", "Edith", "Felix"),
)
FAMILY_NAMES = (
    *("Acker", "Berger", "Carvalho", "Dumont", "Engel", "Ferreira", "Garnier", "Hoffer"),
    *("Ivanov", "Jensen", "Keller", "Lambert", "Moreau", "Novak", "Olsen", "Pereira"),
    *("Quiroga", "Romano", "Sander", "Tavares", "Unger", "Vargas", "Weber", "Xavier"),
    *("Young", "Zeller", "Almeida", "Bauer", "Costa", "Duarte", "Esposito", "Faber"),
)


def stable_number(*words: str) -> int:
    """A number below 2^40, always the same for the same words."""
    return int.from_bytes(hashlib.sha256("\0".join(words).encode()).digest()[:5], "big")


def made_up_name(patient_id: int) -> tuple[str, str]:
    """A neutral first and last name. The last four digits of the id tell two patients with the same name apart."""
    number = stable_number(str(patient_id))
    given, family = GIVEN_NAMES[number % 32], FAMILY_NAMES[number // 32 % 32]
    return given, f"{family} {patient_id % 10_000:04d}"
