"""The standard library of the running interpreter, which is the default text, and its files that may be held out.

A run imports the standard library, so it can read most of it. Only modules that no run needs may be held out for
validation or as sealed text, and a jail for runs hides them all. Neither torch nor what it requires imports one of them
to train a model. Modules that describe themselves a second time in C, such as `_pydecimal`, are not among them.
"""

import sysconfig
from pathlib import Path

HIDDEN_MODULES = (
    "_pyrepl", "aifc", "asynchat", "asyncore", "cgi", "cgitb", "chunk", "compileall", "crypt", "curses", "dbm",
    "doctest", "filecmp", "fileinput", "ftplib", "http.cookiejar", "http.cookies", "http.server", "imaplib", "imghdr",
    "logging.config", "mailbox", "mailcap", "mimetypes", "modulefinder", "msilib", "netrc", "nntplib", "optparse",
    "pipes", "plistlib", "poplib", "pyclbr", "pydoc", "sched", "shelve", "smtpd", "smtplib", "sndhdr",
    "sunau", "symtable", "tabnanny", "telnetlib", "tkinter", "trace", "turtle", "turtledemo", "urllib.robotparser",
    "uu", "venv", "wave", "webbrowser", "wsgiref", "xdrlib", "xml.dom", "xml.sax", "xmlrpc", "zipapp",
)  # fmt: skip
"""Modules and packages that runs don't find. Not every version of Python has all of them."""


def folder() -> Path:
    """Return the folder of the standard library."""
    return Path(sysconfig.get_path("stdlib")).resolve()


def hidden_paths() -> tuple[str, ...]:
    """Return the files and folders of HIDDEN_MODULES."""
    places = (folder() / name.replace(".", "/") for name in HIDDEN_MODULES)
    return tuple(str(path) for place in places for path in (place, place.with_suffix(".py")) if path.exists())


def is_hidden(path: Path) -> bool:
    """Whether a file of the standard library belongs to one of HIDDEN_MODULES."""
    parts = path.relative_to(folder()).with_suffix("").parts
    return any(".".join(parts[:length]) in HIDDEN_MODULES for length in range(1, len(parts) + 1))
