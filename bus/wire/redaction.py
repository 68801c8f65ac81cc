"""Masks secrets: text that looks like a secret, and values that the environment marks as secret.

Keys that the lab meets have a known form: nkey seeds, JWTs, `sk-...` keys, bearer tokens, passwords in addresses. Any
other secret is known by the name of its environment variable. Text for people (logs, tracebacks) loses everything that
looks like a secret. Events and traces lose only what certainly is one, so that no idea is damaged.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from functools import cache

MASK = "***"
MIN_SECRET_CHARACTERS = 8
"""A shorter value is not treated as a secret, because it could occur in any text."""
SECRET_NAME = re.compile(r"(?i)(^|_)(key|token|secret|password|passwd|credentials?)$")
"""Names of environment variables that hold a secret."""


NAMED_VARIABLE = re.compile(r'"api_key_env": *"(\w+)"|"\$(\w+)"')
"""The name of a variable in settings as JSON: that of a key, or that of a header's value."""


def _at_word_start(prefix: str) -> str:
    """Return a pattern that matches a prefix at a word start; in JSON, an escaped line break also starts a word.

    The lookbehind comes after the prefix, and looks back past it. So the pattern begins with literal letters, and a
    search that can skip to a literal is 20 times faster.
    """
    return rf"{prefix}(?:(?<![\w-]{prefix})|(?<=\\[nrt]{prefix}))"


SEED = r"S[ACNOUX](?<![A-Z0-9]..)[A-Z2-7]{56}(?![A-Z0-9])"
"""An nkey seed: S, the letter of its kind, 56 base32 characters, and neither a letter nor a digit around them."""
JWT = _at_word_start("eyJ") + r"[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}"
PROVIDER_KEY = _at_word_start("sk-") + r"(?=[\w-]*\d)[\w-]{16,}"
"""A model provider's key. It is long and has a digit, unlike a hyphenated word."""
SHORT_PROVIDER_KEY = _at_word_start("sk-") + r"[\w-]{8,}"
"""What may be a provider's key, or a word."""
CERTAIN_SECRETS = tuple(map(re.compile, (JWT, PROVIDER_KEY, SEED)))
"""Separate patterns: a search can skip to the first letters of each, but not of one combined pattern."""
BEARER_TOKEN = r"(?i:bearer\s+[\w.~+/=-]{8,})"
ADDRESS_PASSWORD = r"(?<=://)[^\s/@]+(?=@)"
LIKELY_SECRET = re.compile(f"{SEED}|{JWT}|{SHORT_PROVIDER_KEY}|{BEARER_TOKEN}|{ADDRESS_PASSWORD}")


def mask(text: str, environment: Mapping[str, str] | None = None) -> str:
    """Return text for people without anything that is or looks like a secret."""
    return LIKELY_SECRET.sub(MASK, _mask_values(text, environment))


def mask_payload(payload: bytes, environment: Mapping[str, str] | None = None) -> bytes:
    """Return JSON for the bus without anything that is certainly a secret."""
    text = payload.decode("utf-8", "surrogateescape")
    masked = _mask_values(text, environment)
    for pattern in CERTAIN_SECRETS:
        masked = pattern.sub(MASK, masked)
    return payload if masked == text else masked.encode("utf-8", "surrogateescape")


def _mask_values(text: str, environment: Mapping[str, str] | None) -> str:
    """Return the text without the values of secret variables; None means the environment of this process."""
    for secret in own_secrets() if environment is None else secrets(environment):
        text = text.replace(secret, MASK)
    return text


@cache
def own_secrets() -> tuple[str, ...]:
    """Return the secrets of this process's environment, as they were at the first call.

    They are cached, because looking them up for every text took a tenth of a process's time.
    """
    return tuple(secrets(os.environ))


def secrets(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield each secret value of an environment, plain and escaped as in JSON.

    A value is secret if its variable is named like a secret, or if a setting in `[llm]` or a table of it names the
    variable as that of a key or of a header.
    """
    for value in _secret_values(environment):
        yield from dict.fromkeys((value, json.dumps(value)[1:-1]))


def _secret_values(environment: Mapping[str, str]) -> Iterator[str]:
    named = _named_variables(environment)
    for name, value in environment.items():
        if len(value) >= MIN_SECRET_CHARACTERS and (SECRET_NAME.search(name) or name in named):
            yield value


def _named_variables(environment: Mapping[str, str]) -> set[str]:
    """Return the variables that settings of models name; services have those settings in their environment."""
    settings = {name: value for name, value in environment.items() if name.upper().startswith("MOVE37_LLM__")}
    keys = {value for name, value in settings.items() if name.upper().endswith("API_KEY_ENV")}
    return keys.union(*(match for value in settings.values() for match in NAMED_VARIABLE.findall(value)))
