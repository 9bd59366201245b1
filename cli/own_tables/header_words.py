"""Guesses from the words of a header what a column has. English, French, German, Spanish, Portuguese and some Arabic."""

import re
import unicodedata
from collections.abc import Mapping

#: Words without accents and vowel signs, in lower case.
ROLES: Mapping[str, str] = {
    "patient": "patient pat patiente paciente patienten مريض المريض",
    "doctor": "doctor dr doc physician practitioner provider consultant clinician medecin docteur praticien arzt aerztin arztin"
    " behandler medico medica doctora doutor doutora medicin طبيب الطبيب دكتور",
    "prestation": "service prestation procedure exam examination acte examen leistung untersuchung servicio prestacion servico"
    " procedimento procedimiento exame treatment خدمه الخدمه",
    "appointment": "appointment booking visit appt rdv rendezvous rendez termin cita turno consulta agendamento marcacao reserva"
    " موعد الموعد حجز الحجز",
}
ATTRIBUTES: Mapping[str, str] = {
    "id": "id ids no nr num number numero nummer code codigo ref reference key kennung matricule identifier رقم كود",
    "name": "name names fullname nome nom nombre اسم الاسم",
    "last_name": "surname last lastname family familyname nachname familienname apellido apellidos sobrenome apelido العائله اللقب",
    "first_name": "first firstname given givenname forename prenom prenoms vorname primeiro الاول",
    "birth_date": "birth born dob birthdate birthday naissance ddn ne geburtsdatum geburtstag geb geboren nacimiento nascimento"
    " ميلاد الميلاد",
    "sex": "sex gender sexe geschlecht sexo genero الجنس",
    "scheduled_at": "when scheduled start starts date datetime time hour heure debut beginn datum uhrzeit zeit fecha hora inicio"
    " horario data تاريخ التاريخ وقت الوقت",
    "expected_minutes": "duration minutes mins length duree dauer duracion duracao المده",
    "status": "status statut etat estado situacao zustand الحاله",
    "as_of": "exported export updated modified extracted asof exporte exportiert geandert aktualisiert actualizado atualizado stand",
    "specialization": "specialty speciality specialization specialite fachrichtung fachgebiet especialidad especialidade تخصص التخصص",
    "room": "room salle raum zimmer sala غرفه الغرفه",
}
#: Words that are a role and an attribute in one.
WHOLE: Mapping[str, tuple[str, str]] = {
    "mrn": ("patient", "id"),
    "ipp": ("patient", "id"),
    "nhc": ("patient", "id"),
    "krankenaktennummer": ("patient", "id"),
    "prontuario": ("patient", "id"),
}
#: In these languages the word for "name" alone is the surname, or the given name when there is another column for the surname.
SURNAME_WORDS, GIVEN_NAME_WORDS = frozenset({"nom"}), frozenset({"nombre", "nome"})
#: When a header has several attributes, the first one in this list counts.
STRONGEST = (
    "birth_date",
    "sex",
    "as_of",
    "specialization",
    "room",
    "expected_minutes",
    "status",
    "first_name",
    "last_name",
    "id",
    "scheduled_at",
    "name",
)
CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
WORD = re.compile(r"[^\W_]+")
ARABIC_FORMS = str.maketrans("أإآةى", "اااهي")


def _index(words: Mapping[str, str]) -> dict[str, str]:
    return {word: name for name, text in words.items() for word in text.split()}


ROLE_OF, ATTRIBUTE_OF = _index(ROLES), _index(ATTRIBUTES)
#: A German compound such as `Terminnummer` begins with a word of this length, at least.
MIN_COMPOUND_LENGTH = 4


def words_of(header: str) -> list[str]:
    """The words of a header, without accents, in lower case."""
    text = unicodedata.normalize("NFKD", CAMEL.sub(" ", header.replace("ß", "ss")))
    plain = "".join(character for character in text if not unicodedata.combining(character))
    return WORD.findall(plain.casefold().translate(ARABIC_FORMS))


def classify(header: str) -> tuple[str, str]:
    """Role and attribute of a column, each empty if no word says it. `patient`, `last_name` for `Surname`."""
    roles: list[str] = []
    attributes: set[str] = set()
    words = words_of(header)
    for word in words:
        role, attribute = WHOLE.get(word) or _split(word)
        roles += [role] if role else []
        attributes |= {attribute} if attribute else set()
    role = roles[0] if roles else ""
    attribute = next((name for name in STRONGEST if name in attributes), "")
    if attribute == "name" and role in ("", "patient"):
        attribute = _kind_of_name(words)
    if not role and attribute in ("last_name", "first_name", "name", "birth_date", "sex"):
        role = "patient"
    return role, attribute


def _split(word: str) -> tuple[str, str]:
    if word in ROLE_OF or word in ATTRIBUTE_OF:
        return ROLE_OF.get(word, ""), ATTRIBUTE_OF.get(word, "")
    for beginning, role in ROLE_OF.items():
        if len(beginning) >= MIN_COMPOUND_LENGTH and word.startswith(beginning):
            rest = word[len(beginning) :]
            for linked in (rest, rest.removeprefix("en"), rest.removeprefix("s"), rest.removeprefix("n")):
                if linked in ATTRIBUTE_OF:
                    return role, ATTRIBUTE_OF[linked]
            if rest in ("en", "s", "e"):
                return role, ""
    return "", ""


def _kind_of_name(words: list[str]) -> str:
    if SURNAME_WORDS & set(words):
        return "last_name"
    return "first_name" if "nombre" in words else "name"
