"""What a client may send to sign in, and about staff accounts."""

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from patient_visit_engine.api.schema.bodies import RequestBody
from patient_visit_engine.api.schema.fields import Flag, Id, Name, Username
from patient_visit_engine.storage.account_changes import MIN_PASSWORD_LENGTH
from patient_visit_engine.visit.codes import Role

MAX_PASSWORD_LENGTH = 1_000


def _is_text(secret: SecretStr) -> SecretStr:
    try:
        secret.get_secret_value().encode()
    except UnicodeEncodeError:
        # Pydantic would quote the password in its error message.
        raise ValueError("half of a surrogate pair is no character") from None
    return secret


Password = Annotated[SecretStr, Field(min_length=1, max_length=MAX_PASSWORD_LENGTH), AfterValidator(_is_text)]
NewPassword = Annotated[
    SecretStr, Field(min_length=MIN_PASSWORD_LENGTH, max_length=MAX_PASSWORD_LENGTH), AfterValidator(_is_text)
]


class Credentials(RequestBody):
    username: Username
    password: Password


class ChangePassword(RequestBody):
    old: Password
    new: NewPassword


class AddAccount(RequestBody):
    """`name` is the name that screens show. `doctor_id` is needed for role doctor, and not allowed for other roles."""

    username: Name
    name: Name
    role: Role
    doctor_id: Id | None = None
    password: Annotated[NewPassword | None, Field(description="drawn when it is not sent")] = None


class ChangeAccount(RequestBody):
    """What is not sent stays."""

    name: Name | None = None
    role: Role | None = None
    doctor_id: Id | None = None
    active: Annotated[Flag | None, Field(description="false revokes the account, true restores it")] = None
