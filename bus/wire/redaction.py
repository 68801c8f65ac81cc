"""Secrets masked: what looks like one, and what the environment says is one.

Keys of the kinds that the lab meets have a shape (nkey seeds, JWTs, `sk-...`, bearer tokens, passwords in addresses);
any other is known by the variable that holds it. Text for people (logs, tracebacks) loses all that looks like one; what
the lab goes on with (events, traces) loses only what can be nothing but a secret, so that no idea is maimed.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from functools import cache

MASK = "***"
MIN_CHARACTERS = 8
"""A value shorter than this is no secret worth the name, and might stand anywhere."""
NAMED = re.compile(r"(?i)(^|_)(key|token|secret|password|passwd|credentials?)$")
"""Names of variables that hold a secret."""


def _begins(word: str) -> str:
    """Return a pattern of a word that goes on from no other; in JSON one may begin right behind an escaped line break.

    The word stands first and what is before it is looked at afterwards: a search is then twenty times quicker.
    """
    return rf"{word}(?:(?<![\w-]{word})|(?<=\\[nrt]{word}))"


SEED = r"S[ACNOUX](?<![A-Z0-9]..)[A-Z2-7]{56}(?![A-Z0-9])"
JWT = _begins("eyJ") + r"[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}"
PROVIDER_KEY = _begins("sk-") + r"(?=[\w-]*\d)[\w-]{16,}"
CERTAIN = tuple(map(re.compile, (JWT, PROVIDER_KEY, SEED)))
"""Looked for one after another: each begins with letters that a search skips to, which one pattern of all can't."""
BEARER = r"(?i:bearer\s+[\w.~+/=-]{8,})"
IN_ADDRESS = r"(?<=://)[^\s/@]+(?=@)"
LIKELY = re.compile(rf"{SEED}|{JWT}|{_begins('sk-')}[\w-]{{8,}}|{BEARER}|{IN_ADDRESS}")


def mask(text: str, environment: Mapping[str, str] | None = None) -> str:
    """Return text for people without anything that looks like a secret or is one."""
    return LIKELY.sub(MASK, _without_known(text, environment))


def mask_payload(payload: bytes, environment: Mapping[str, str] | None = None) -> bytes:
    """Return JSON for the bus without what can be nothing but a secret."""
    text = payload.decode("utf-8", "surrogateescape")
    masked = _without_known(text, environment)
    for secret in CERTAIN:
        masked = secret.sub(MASK, masked)
    return payload if masked == text else masked.encode("utf-8", "surrogateescape")


def _without_known(text: str, environment: Mapping[str, str] | None) -> str:
    """Return the text without the values of secret variables, of this process's environment where none is given."""
    for secret in own_secrets() if environment is None else secrets(environment):
        text = text.replace(secret, MASK)
    return text


@cache
def own_secrets() -> tuple[str, ...]:
    """Return the secrets that this process was started with: to look for them anew took a tenth of its time."""
    return tuple(secrets(os.environ))


def secrets(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield what an environment keeps secret, as it is and as JSON writes it.

    Secret is what its name says is, and the model's key whatever its name.
    """
    for value in _secret_values(environment):
        yield from dict.fromkeys((value, json.dumps(value)[1:-1]))


def _secret_values(environment: Mapping[str, str]) -> Iterator[str]:
    named = environment.get("MOVE37_LLM__API_KEY_ENV")
    for name, value in environment.items():
        if (
            len(value) >= MIN_CHARACTERS
            and (NAMED.search(name) or name == named)
            and not name.startswith("MOVE37_LLM__")
        ):
            yield value
