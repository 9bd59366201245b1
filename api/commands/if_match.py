"""The header `If-Match` of a PUT: the versions that the record must have (RFC 9110, section 13.1.1)."""

import re
from typing import Annotated

from fastapi import Depends, Header
from fastapi import Request as HttpRequest
from pydantic.json_schema import WithJsonSchema

from patient_visit_engine.api.problems import Problem
from patient_visit_engine.api.serving.limits import DEFAULT_LIMITS
from patient_visit_engine.storage.master_data.records import IfMatch

TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
TAGS = re.compile(rf"[ \t]*{TAG}[ \t]*(?:,[ \t]*{TAG}[ \t]*)*")
#: A strong tag of ours. A weak one never matches, and neither does a tag that is no version.
VERSION = re.compile(r'(?<!W/)"([1-9][0-9]{0,9})"')


async def if_match(
    request: HttpRequest,
    # Only for the OpenAPI document. FastAPI would keep one of several headers, so the function reads the request itself.
    _documented: Annotated[
        str | None,
        Header(alias="If-Match", description='The version that the record must have, such as `"3"`, or `*`'),
        WithJsonSchema({"type": "string", "maxLength": DEFAULT_LIMITS.max_head}),
    ] = None,
) -> IfMatch | None:
    """The versions that were sent, or None without the header. Raises Problem 422 `bad_if_match`."""
    headers = request.headers.getlist("if-match")
    if not headers:
        return None
    text = ",".join(headers)
    if text.strip() == "*":
        return IfMatch(any_version=True)
    if not TAGS.fullmatch(text):
        raise Problem(422, "bad_if_match", 'If-Match is a version in quotes, such as "3", or *')
    return IfMatch(frozenset(map(int, VERSION.findall(text))))


IfMatchHeader = Annotated[IfMatch | None, Depends(if_match)]
