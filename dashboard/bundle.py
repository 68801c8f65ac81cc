"""The dashboard of a recorded log as one HTML file, which opens without a lab, a server or a network.

Style sheets and scripts are inside the file. Modules are entries of an import map whose addresses hold their source, so
the page's files need no build step and stay as they are. The content security policy allows these scripts alone, and no
connection. https://html.spec.whatwg.org/multipage/webappapis.html#import-maps
"""

import gzip
import json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

from pydantic_core import to_json

from bus.wire.envelope import Envelope, encode
from dashboard.history.history import CampaignHistory
from dashboard.modules import IMPORT, STATIC, modules, resolve

ENTRY = "exported.js"
"""The module that starts the page."""
_STYLE = re.compile(r'<link rel="stylesheet" href="static/([^"]+)">\n')
_SCRIPT = re.compile(r'<script (?:defer )?src="static/([^"]+)"(?: defer)?></script>\n')
_MODULE = re.compile(r'<script type="module" src="static/[^"]+"></script>\n')


def bundle(
    history: CampaignHistory,
    envelopes: Sequence[Envelope],
    standing: Mapping[str, Any],
    discoveries: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Return the page of a campaign.

    `envelopes` are the campaign's events, which `history` was made from. `standing` is memory's last answer: scores by
    experiment and the guidance in force. `discoveries` are records of what was known of discoveries, and of what
    language models took (`spending`), by position, the oldest first (`dashboard.history.discovery`).
    """
    record = {
        "id": history.campaign,
        "last": history.last,
        "steps": [entry.step() for entry in history.entries],
        "standing": dict(standing),
        "discoveries": list(discoveries),
    }
    events = b",".join(encode(envelope)[:-1] + b',"seq":%d}' % envelope.seq for envelope in envelopes)
    packed = gzip.compress(to_json(record)[:-1] + b',"events":[%s]}' % events, 9, mtime=0)
    return _page(b64encode(packed).decode())


def _page(log: str) -> str:
    """Return the page's HTML with everything that it loads inside it."""
    html = (STATIC / "index.html").read_text()
    styles = "\n".join((STATIC / name).read_text() for name in _STYLE.findall(html))
    scripts = [(STATIC / name).read_text() for name in _SCRIPT.findall(html)]
    modules = json.dumps({"imports": {f"move37/{name}": _address(name, text) for name, text in _modules(ENTRY)}})
    start = f'import "move37/{ENTRY}";'
    inline = (*scripts, modules, start)
    policy = f'<meta http-equiv="Content-Security-Policy" content="{_policy(styles, inline)}">\n'
    for pattern in (_STYLE, _SCRIPT, _MODULE):
        html = pattern.sub("", html)
    icon = b64encode((STATIC / "icon.svg").read_bytes()).decode()
    html = html.replace('href="static/icon.svg"', f'href="data:image/svg+xml;base64,{icon}"')
    head = f"{policy}<style>{styles}</style>\n" + "".join(f"<script>{text}</script>\n" for text in scripts)
    head += f'<script type="importmap">{modules}</script>\n'
    body = f'<script type="text/plain" id="log">{log}</script>\n<script type="module">{start}</script>\n'
    html = html.replace('<meta name="viewport"', f'{head}<meta name="viewport"', 1)
    return html.replace("</body>", f"{body}</body>", 1)


def _modules(entry: str) -> Iterator[tuple[str, str]]:
    """Yield each module that the entry needs, by its path, with imports by name in place of relative ones."""
    for name, source in modules(entry):
        yield name, IMPORT.sub(lambda match, at=name: f'{match[1]}"move37/{resolve(at, match[3])}"', source)


def _address(name: str, source: str) -> str:
    """Return a module's source as an address; the fragment names it in the browser's debugger."""
    return f"data:text/javascript;base64,{b64encode(source.encode()).decode()}#{name}"


def _policy(styles: str, scripts: Iterable[str]) -> str:
    """Return the policy that allows these styles and scripts, and modules from the import map."""
    allowed = " ".join(_digest(script) for script in scripts)
    return (
        f"default-src 'none'; script-src {allowed} data:; style-src {_digest(styles)}; img-src data:; base-uri 'none'; "
        "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )


def _digest(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
