"""Looks for pieces of a text in every file that a run can read: which pieces, and the program that does it in a jail.

The program compares a file's aligned words of 8 bytes with the words in the pieces: wherever a piece of SNIPPET_BYTES
lies, one of the aligned words lies in it.
"""

import json
import random
import re
from collections.abc import Iterable

from sandbox import Jail, JailFault
from tests.support.hostile_programs import examine

SNIPPET_BYTES = 24
SEARCH_SECONDS = 400
PLACES = ("/", "/proc", "/proc/self", "/proc/1", "/dev", "/dev/shm", "/etc", "/home", "/opt", "/root", "/tmp", "/usr")
"""Folders to search in addition to those that a run may read; the sandbox refuses most of them."""
PROC_FILES = ("cmdline", "environ", "maps", "mem", "mounts", "mountinfo", "root", "cwd", "map_files", "fd")
"""Names below /proc/self, whose folder can't be listed."""
PROGRAM = """
import json, os, stat
import numpy as np

SNIPPETS, PLACES = [bytes.fromhex(text) for text in @SNIPPETS@], @PLACES@
MIX, SHIFT, BLOCK = np.uint64(0x9E3779B97F4A7C15), np.uint64(46), 1 << 20
owners, table = {}, np.zeros(1 << 18, bool)
for snippet in SNIPPETS:
    for start in range(8):
        owners.setdefault(int.from_bytes(snippet[start:start + 8], "little"), set()).add(snippet)
keys = np.sort(np.array(list(owners), np.uint64))
table[(keys * MIX) >> SHIFT] = True
found, searched, seen = {}, 0, set()

def search(path):
    global searched
    tail = b""
    with open(path, "rb") as file:
        while new := file.read(BLOCK):
            searched += len(new)
            block = tail + new
            words = np.frombuffer(block, np.uint64, len(block) // 8)
            places = np.flatnonzero(table[(words * MIX) >> SHIFT])
            if len(places) > 64:
                places = places[np.isin(words[places], keys)]
            for place in places:
                window = block[max(0, 8 * int(place) - 8):8 * int(place) + 32]
                found.update((snippet, path) for snippet in owners.get(int(words[place]), ()) if snippet in window)
            tail = block[-(len(block) % 8 + 64):]

def files(top):
    if not os.path.isdir(top):
        yield top
    for folder, _, names in os.walk(top):
        yield from (os.path.join(folder, name) for name in names)

for path in (path for top in PLACES for path in files(top)):
    try:
        status = os.stat(path)
        if stat.S_ISREG(status.st_mode) and (status.st_dev, status.st_ino) not in seen:
            seen.add((status.st_dev, status.st_ino))
            search(path)
    except OSError:
        pass
examples = [(snippet.hex(), path) for snippet, path in found.items()][:5]
raise RuntimeError(json.dumps([searched, len(found), examples]))
"""


def draw_snippets(texts: Iterable[bytes], known: bytes, count: int) -> list[bytes]:
    """Return `count` pieces from random places of each text, each with a word that the text `known` lacks.

    A piece without such a word is a phrase of the language: it also occurs in files that have nothing to do with it.
    """
    rng, words, snippets = random.Random(0), set(_words(known)), []
    for text in texts:
        drawn: set[bytes] = set()
        while len(drawn) < count:
            start = rng.randrange(len(text) - SNIPPET_BYTES)
            snippet = text[start : start + SNIPPET_BYTES]
            if any(word not in words for word in _words(snippet)[1:-1]):  # the outer ones may be cut
                drawn.add(snippet)
        snippets += sorted(drawn)
    return snippets


def _words(text: bytes) -> list[bytes]:
    return re.findall(rb"\w+", text)


def readable_places(jail: Jail) -> list[str]:
    """Return where a run in the jail may read, and other places where it would look."""
    return [*jail.ensure_zygote().readable, *PLACES, *(f"/proc/self/{name}" for name in PROC_FILES)]


def search_in_jail(jail: Jail, snippets: list[bytes], places: list[str]) -> tuple[int, int, list[tuple[bytes, str]]]:
    """Search the places in the jail; return the bytes searched, the number of snippets found, and examples."""
    program = PROGRAM.replace("@SNIPPETS@", repr([snippet.hex() for snippet in snippets]))
    outcome = examine(jail, program.replace("@PLACES@", repr(places)), SEARCH_SECONDS)
    assert isinstance(outcome, JailFault), outcome
    searched, found, examples = json.loads(outcome.message.removeprefix("RuntimeError: "))
    return searched, found, [(bytes.fromhex(snippet), path) for snippet, path in examples]
