"""What browsers send: strict JSON of a declared form, or an error that names the fault."""

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request


class BrowserInput(BaseModel):
    """What a browser sends; errors do not repeat it."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


Input = TypeVar("Input", bound=BrowserInput)


async def read_input(request: Request, kind: type[Input]) -> Input:
    """Return the request's body. Raises HTTPException 400 and 415."""
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise HTTPException(415, "send application/json")
    try:
        return kind.model_validate_json(await request.body())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise HTTPException(400, f"{'.'.join(map(str, first['loc'])) or 'body'}: {first['msg']}") from None
