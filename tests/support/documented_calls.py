"""The calls that `docs/api.md` lists, with the roles that may send them."""

from patient_visit_engine.visit.codes import Role
from tests.support.pages import DOCS, code_of, rows

PAGE = DOCS / "api.md"
STAFF = frozenset({Role.doctor, Role.reception, Role.supervisor, Role.service})
#: The page's words for the roles of a call.
ROLES = {
    "anyone": frozenset[Role](),
    "anyone signed in": frozenset(Role),
    "anyone signed in, except wall": frozenset(Role) - {Role.wall},
    "wall": frozenset({Role.wall}),
    "staff, wall": STAFF | {Role.wall},
    "staff": STAFF,
    "staff, admin": STAFF | {Role.admin},
    "the same caller": STAFF,
    "its doctor": frozenset({Role.doctor}),
    "its doctor, reception": frozenset({Role.doctor, Role.reception}),
    "its doctor, reception, supervisor": frozenset({Role.doctor, Role.reception, Role.supervisor}),
    "reception, supervisor": frozenset({Role.reception, Role.supervisor}),
    "its doctor, reception, supervisor, service": STAFF,
    "its doctor, supervisor": frozenset({Role.doctor, Role.supervisor}),
    "supervisor": frozenset({Role.supervisor}),
    "admin": frozenset({Role.admin}),
    "service, supervisor": frozenset({Role.service, Role.supervisor}),
    "service, supervisor, admin": frozenset({Role.service, Role.supervisor, Role.admin}),
}


def documented_calls() -> dict[str, frozenset[Role]]:
    """Every call with its allowed roles; an empty set when no sign-in is needed."""
    return {code_of(row[0]): ROLES[row[1]] for row in rows(PAGE, "call", "who", "answers")}
