"""HTML pages parsed into trees, so that a test can find elements."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

from dashboard.report.markup import VOID


@dataclass
class Node:
    """An element of a page."""

    tag: str
    attributes: dict[str, str | None] = field(default_factory=dict)
    children: list["Node | str"] = field(default_factory=list)

    def walk(self) -> Iterator["Node"]:
        """Yield this element and all below it, in order."""
        yield self
        for child in self.children:
            if isinstance(child, Node):
                yield from child.walk()

    def all(self, tag: str = "", class_: str = "") -> list["Node"]:
        """Return the elements below with this tag and this class; an empty string matches any."""
        nodes = (n for n in self.walk() if not tag or n.tag == tag)
        return [n for n in nodes if not class_ or class_ in (n.attributes.get("class") or "").split()]

    def by_id(self, name: str) -> "Node":
        """Return the one element with this id."""
        (node,) = (n for n in self.walk() if n.attributes.get("id") == name)
        return node

    @property
    def text(self) -> str:
        """All text in it."""
        return "".join(child if isinstance(child, str) else child.text for child in self.children)


class _Parser(HTMLParser):
    """Builds the tree of a page; fails if elements are not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open = [Node("page")]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open an element."""
        node = Node(tag, dict(attrs))
        self.open[-1].children.append(node)
        if tag not in VOID:
            self.open.append(node)

    def handle_endtag(self, tag: str) -> None:
        """Close the innermost element, which must have this tag."""
        assert self.open.pop().tag == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        """Add text."""
        self.open[-1].children.append(data)


def parse_page(page: str) -> Node:
    """Return the tree of a page."""
    parser = _Parser()
    parser.feed(page)
    parser.close()
    (root,) = parser.open
    return root
