"""Writes a genome as a researcher program: one readable Python file against the protocol of search policies.

The file declares `POLICY`, as every policy does. It reads only the campaign's status and memory's answers, and draws
only from the generator that it is given. Parts that a genome does not use leave no line.
"""

from agents.meta.genome import Genome

STATELESS_IMPORT = "from agents.search.policy import SearchPolicy, State, Suggestion"
STATEFUL_IMPORT = "from agents.search.policy import Renewal, SearchPolicy, State, Suggestion"


def render(genome: Genome, name: str) -> str:
    """Return the program of a genome as source, under a name that is a Python identifier in lower case."""
    one = genome.canonical()
    body = [*_head(one, name), *_ask(one), *_parent(one), *_mates(one), *_tell(one)]
    return "\n".join([*body, "", "", "POLICY = EvolvedPolicy", ""])


def summary(genome: Genome) -> str:
    """Return what a program does, in a few words that begin with a verb."""
    one = genome.canonical()
    if one.budget.opening == 100:
        return "draws every design from scratch"
    selection = {
        "uniform": f"one of the best {one.selection.size}",
        "rank": f"one of the best {one.selection.size} by rank",
        "tournament": f"the best of {one.selection.size} drawn",
    }[one.selection.kind]
    population = {
        "elitist": "of all",
        "aging": f"of the newest {one.population.size}",
        "threshold": f"of the best {one.population.size} %",
        "grid": "of a grid of kinds",
    }[one.population.kind]
    brood = "" if one.brood.ranking == "none" else f", {one.brood.children} children by {one.brood.ranking}"
    return f"varies {selection} {population}{brood}"


def _head(one: Genome, name: str) -> list[str]:
    """Return docstring, imports and the class up to its methods."""
    queries = "AskAnalysed, CampaignStatus" if _asks(one) else "CampaignStatus"
    return [
        f'"""{name}: {summary(one)}.',
        "",
        "Rendered from a genome by `agents.meta.rendering`.",
        '"""',
        "",
        "from random import Random",
        "",
        STATEFUL_IMPORT if _has_state(one) else STATELESS_IMPORT,
        "from bus.delivery.role import Subdecision",
        f"from bus.vocabulary.queries import {queries}",
        "",
        "",
        "class EvolvedPolicy(SearchPolicy):",
        f'    """{summary(one).capitalize()}."""',
        "",
        f'    name = "{name}"',
        f'    summary = "{summary(one)}"',
    ]


def _ask(one: Genome) -> list[str]:
    """Return the method that opens a slot."""
    lines = [
        "",
        "    def ask(self, status: CampaignStatus, state: State, random: Random) -> Subdecision[Suggestion]:",
        '        """Return the parent, the mates and the operators of one new design."""',
    ]
    if one.budget.opening == 100:
        return [*lines, "        yield from ()", "        return Suggestion()"]
    if one.budget.opening:
        share = f"{one.budget.opening} * status.total"
        lines += [f"        if 100 * status.analysed < {share}:  # the opening", "            return Suggestion()"]
    if one.budget.patience:
        lines += [
            '        stale = status.analysed - state.get("since", 0)',
            f"        if stale >= {one.budget.patience} and stale % {one.budget.patience} < {one.budget.restart}:",
            "            return Suggestion()  # a restart",
        ]
    return [
        *lines,
        "        parent = yield from self._parent(status, state, random)",
        "        if parent is None:",
        "            return Suggestion()",
        *(["        mates = yield from self._mates(status, state, random, parent)"] if one.mates.count else []),
        "        return Suggestion(",
        "            parent,",
        *(["            mates,"] if one.mates.count else []),
        f"            preferences={one.operators.model_dump()},".replace("'", '"'),
        *_brood(one),
        "        )",
    ]


def _brood(one: Genome) -> list[str]:
    if one.brood.ranking == "none":
        return []
    return [
        f"            children={one.brood.children},",
        f'            ranking="{one.brood.ranking}",',
        f"            unranked={one.brood.unranked / 100},",
    ]


def _parent(one: Genome) -> list[str]:
    """Return the method that draws the parent."""
    if one.budget.opening == 100:
        return []
    return [
        "",
        "    def _parent(self, status: CampaignStatus, state: State, random: Random) -> Subdecision[str | None]:",
        '        """Return a member of the population, or a design that opened the campaign while it has none."""',
        *_members(one.population.kind, one.population.size),
        "        members = members or list(status.starting_points)",
        "        if not members:",
        "            return None",
        *_drawn(one),
    ]


def _members(kind: str, size: int) -> list[str]:
    """Return the lines that list the population or the archive, best first; a grid's order says nothing."""
    lines = {
        "elitist": ["        yield from ()", f"        members = list(status.ranking[:{size}])"],
        "threshold": [
            "        yield from ()",
            f"        members = list(status.ranking[: max(1, status.analysed * {size} // 100)])",
        ],
        "aging": [
            f"        rows = yield AskAnalysed(campaign=status.campaign, at=status.last_seq, newest={size})",
            "        members = [row.id for row in rows.rows]",
        ],
        "grid": [
            "        yield from ()",
            "        vetoed = set(status.vetoed)",
            '        elites = [name for name in state.get("elites", {}).values() if name not in vetoed]',
            "        ranks = {name: rank for rank, name in enumerate(status.ranking)}",
            "        members = sorted(elites, key=lambda name: ranks.get(name, len(ranks)))",
        ],
    }
    return lines[{"best": "elitist", "newest": "aging"}.get(kind, kind)]


def _drawn(one: Genome) -> list[str]:
    size = one.selection.size
    if one.selection.kind == "tournament":
        return [f"        return members[min(random.randrange(len(members)) for _ in range({size}))]"]
    if one.selection.kind == "rank":
        weights = f"[1 / rank for rank in range(1, 1 + len(members[:{size}]))]"
        return [f"        return random.choices(members[:{size}], {weights})[0]"]
    return [f"        return random.choice(members[:{size}])"]


def _mates(one: Genome) -> list[str]:
    """Return the method that draws the mates."""
    if not one.mates.count:
        return []
    return [
        "",
        "    def _mates(",
        "        self, status: CampaignStatus, state: State, random: Random, parent: str",
        "    ) -> Subdecision[tuple[str, ...]]:",
        '        """Return other members of the archive, without repetition."""',
        *_members(one.mates.kind, one.mates.size),
        "        others = [name for name in members if name != parent]",
        f"        return tuple(random.sample(others, min({one.mates.count}, len(others))))",
    ]


def _tell(one: Genome) -> list[str]:
    """Return the method that folds results into the state."""
    if not _has_state(one):
        return []
    lines = [
        "",
        "    def tell(self, status: CampaignStatus, state: State) -> Subdecision[Renewal | None]:",
        '        """Return the state with the newest results."""',
        "        new = dict(state)",
    ]
    if one.budget.patience:
        lines += [
            "        best = next(iter(status.ranking), None)",
            '        if best != state.get("best"):',
            "            new.update(best=best, since=status.analysed)",
        ]
    lines += _grid_lines() if _has_grid(one) else ["        yield from ()"]
    return [
        *lines,
        "        if new == dict(state):",
        "            return None",
        '        new["count"] = state.get("count", 0) + 1',
        '        return Renewal(new["count"], new)',
    ]


def _grid_lines() -> list[str]:
    """Return the lines that keep the best design of each kind: a kind is what a design's first two axes hold.

    In the mixer grammar the first axis holds the paths, of which the kinds count.
    """
    return [
        '        elites, seen = dict(state.get("elites", {})), state.get("seen", 0)',
        "        newest = max(0, status.analysed - seen)",
        "        rows = yield AskAnalysed(",
        "            campaign=status.campaign, at=status.last_seq, newest=newest, ids=tuple(elites.values())",
        "        )",
        "        elites = {}",
        "        for row in rows.rows:  # best first",
        "            axes = list((row.design or {}).values())[:2]",
        '            kinds = [[part["kind"] for part in axis] if isinstance(axis, list) else axis for axis in axes]',
        "            if kinds:",
        "                elites.setdefault(str(kinds), row.id)",
        "        new.update(elites=elites, seen=max(seen, status.analysed))",
    ]


def _has_grid(one: Genome) -> bool:
    return "grid" in {one.population.kind, one.mates.kind}


def _has_state(one: Genome) -> bool:
    return _has_grid(one) or one.budget.patience > 0


def _asks(one: Genome) -> bool:
    return _has_grid(one) or one.population.kind == "aging" or (one.mates.kind == "newest" and one.mates.count > 0)
