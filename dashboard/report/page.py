"""The HTML document around a page: its style, its one script, and its content security policy."""

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256

from dashboard.report.markup import Markup, clip, el
from dashboard.report.style import STYLE


def policy(script: str, *directives: str) -> str:
    """Return a content security policy that allows only this script, by its hash, and the given directives."""
    script_directive = f"script-src 'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'"
    closed = ("default-src 'none'", "style-src 'unsafe-inline'", "base-uri 'none'", "form-action 'none'")
    return "; ".join((*closed, script_directive, *directives))


def document(campaign: str, body: Sequence[Markup | None], script: str, *directives: str) -> str:
    """Return a whole document; `directives` are added to its content security policy."""
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=policy(script, *directives)),
        el("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name_="color-scheme", content="light dark"),
        el("title", f"move37 {clip(campaign, 60)}".strip()),
        el("style", Markup(STYLE)),
    )
    page = el("html", head, el("body", *body, el("script", Markup(script))), lang="en")
    return f"<!doctype html>\n{page}\n"
