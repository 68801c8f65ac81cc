"""What went wrong with a request: a code for the log, whether to repeat it, and one line without the key."""

import json
from dataclasses import dataclass

from bus.vocabulary.events import ModelOutcome
from bus.wire.plain_text import clean_line
from bus.wire.redaction import mask

MAX_ERROR_CHARACTERS = 300
"""Length of the line."""
REFUSED_STATUSES = frozenset({400, 404, 415, 422, 501})
"""HTTP statuses of endpoints that do not accept a part of a request."""
_OUTCOME_OF_STATUS: dict[int, ModelOutcome] = {401: "bad_key", 403: "bad_key", 408: "timeout", 429: "busy"}
_FIRST_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class RequestFault:
    """A failed request."""

    outcome: ModelOutcome
    """What went wrong."""
    line: str
    """The same in one line for people."""
    transient: bool = False
    """Whether the same request may succeed a little later."""
    refusal: str = ""
    """The endpoint's words, if it may have refused a part of the request."""
    retry_after_s: float = 0.0
    """Seconds that the endpoint asks to wait."""


class RequestFailed(Exception):
    """Carries the fault of the last request of an answer."""

    def __init__(self, fault: RequestFault) -> None:
        """Carry a fault."""
        super().__init__(fault.line)
        self.fault = fault


def fault_of(error: Exception, key: str, timeout_s: float) -> RequestFault:
    """Return the fault that an error of a request stands for."""
    from openai import APIConnectionError, APIStatusError, APITimeoutError

    line = error_line(error, key)
    if isinstance(error, TimeoutError | APITimeoutError):
        return RequestFault("timeout", f"no answer within {timeout_s:g} s", transient=True)
    if isinstance(error, APIStatusError):
        return _fault_of_status(error.status_code, str(error), line, error.response.headers.get("retry-after", ""))
    if isinstance(error, APIConnectionError):
        cause = error.__cause__
        return RequestFault("unreachable", f"{line} ({error_line(cause, key)})" if cause else line, transient=True)
    return RequestFault("bad_reply", f"unreadable reply: {line}", transient=True)


def _fault_of_status(status: int, text: str, line: str, retry_after: str) -> RequestFault:
    """Return the fault of an HTTP error."""
    outcome = _OUTCOME_OF_STATUS.get(status) or ("server_error" if status >= _FIRST_SERVER_ERROR else "bad_request")
    if status in REFUSED_STATUSES and _names_missing_model(status, text):
        return RequestFault("no_model", line)
    spent = "insufficient_quota" in text
    transient = (outcome in {"busy", "server_error", "timeout"} or status == 409) and not spent
    refused = status in REFUSED_STATUSES or (outcome == "server_error" and _names_form(text))
    try:
        wait = float(retry_after or 0.0)
    except ValueError:  # a date
        wait = 0.0
    return RequestFault(outcome, line, transient, text if refused else "", wait)


def _names_missing_model(status: int, text: str) -> bool:
    """Return whether a refusal says that there is no such model."""
    lower = text.lower()
    if "model_not_found" in lower or "deploymentnotfound" in lower:
        return True
    missing = any(words in lower for words in ("not found", "does not exist", "no such model", "unknown model"))
    return missing and "model" in lower and status in {400, 404}


def _names_form(text: str) -> bool:
    """Return whether an error of a server is about the form of the answer: some fail where others refuse."""
    return any(word in text.lower() for word in ("response_format", "grammar", "json_schema", "guided"))


def error_line(error: BaseException, key: str = "") -> str:
    """Return an error on one line, without the key even if the endpoint repeats it."""
    text = str(error) or repr(error)
    if key:
        text = text.replace(key, "[key]").replace(json.dumps(key)[1:-1], "[key]")
    return clean_line(mask(f"{type(error).__name__}: {text}"), MAX_ERROR_CHARACTERS)
