"""The tables that a person may read with SQL: those of the rows, and some that join them. All are as of a position.

Memory never runs a person's statement itself. So the tables are views that `memory.sql.worker` makes over a copy.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from inspect import getdoc

from memory.projections import TABLES
from memory.rows import Row, columns


@dataclass(frozen=True)
class SqlTable:
    """One table."""

    name: str
    summary: str
    columns: Mapping[str, str]
    """Columns and what they hold: an SQL type, or words."""
    select: str
    """The statement that it stands for, with the schema of the rows as `{source}` and the position as `{at}`."""

    def statement(self, source: str, at: int) -> str:
        """Return the statement as of a position."""
        return self.select.format(source=source, at=at)


NEWEST = "QUALIFY row_number() OVER (PARTITION BY campaign, experiment ORDER BY seq DESC) = 1"
_EXPERIMENTS = """
SELECT p.campaign, p.experiment, p.name, p.origin, p.operator, p.parent, s.arm, p.motivation, p.seq AS proposed_seq,
  a.fitness, o.objective,
  (c.metrics->>'$.size.parameters')::BIGINT AS parameters,
  (c.metrics->>'$.cost.seconds')::DOUBLE AS seconds,
  (c.metrics->>('$.tasks.' || (c.metrics->>'$.text_task') || '.measures.bits_per_byte.value'))::DOUBLE AS bits_per_byte,
  (c.metrics->>('$.tasks.' || (c.metrics->>'$.recall_task') || '.measures.accuracy.value'))::DOUBLE AS recall,
  (SELECT count(*) FROM failures f WHERE (f.campaign, f.experiment) = (p.campaign, p.experiment)) AS failed_attempts
FROM proposals p
LEFT JOIN (FROM slots {NEWEST}) s USING (campaign, experiment)
LEFT JOIN (FROM analyses {NEWEST}) a USING (campaign, experiment)
LEFT JOIN (FROM objectives {NEWEST}) o USING (campaign, experiment)
LEFT JOIN (FROM completions {NEWEST}) c USING (campaign, experiment)
""".replace("{NEWEST}", NEWEST)
_SCORES = """
SELECT c.seq, c.campaign, c.experiment, c.run, t.key AS task, t.value->>'$.kind' AS kind, m.key AS measure,
  (m.value->>'$.value')::DOUBLE AS value, (m.value->>'$.stderr')::DOUBLE AS stderr
FROM completions c, json_each(c.metrics, '$.tasks') t, json_each(t.value, '$.measures') m
"""
_CURVES = """
SELECT c.seq, c.campaign, c.experiment, c.run, p.value->>'$.task' AS task, (p.value->>'$.step')::BIGINT AS step,
  (p.value->>'$.loss')::DOUBLE AS loss
FROM curves c, json_each(c.points) p
"""
JOINED = (
    SqlTable(
        "experiments",
        "Every proposed experiment with its newest analysis and its newest completed run.",
        {
            "campaign": "VARCHAR", "experiment": "VARCHAR", "name": "VARCHAR", "origin": "VARCHAR",
            "operator": "VARCHAR", "parent": "VARCHAR", "arm": "VARCHAR", "motivation": "VARCHAR",
            "proposed_seq": "BIGINT", "fitness": "DOUBLE", "objective": "DOUBLE", "parameters": "BIGINT",
            "seconds": "DOUBLE", "bits_per_byte": "DOUBLE", "recall": "DOUBLE", "failed_attempts": "BIGINT",
        },
        _EXPERIMENTS,
    ),
    SqlTable(
        "scores",
        "Every measure of every task of every completed run.",
        {
            "seq": "BIGINT", "campaign": "VARCHAR", "experiment": "VARCHAR", "run": "VARCHAR", "task": "VARCHAR",
            "kind": "VARCHAR", "measure": "VARCHAR", "value": "DOUBLE", "stderr": "DOUBLE",
        },
        _SCORES,
    ),
    SqlTable(
        "curve_points",
        "Every point of the thinned loss curves.",
        {
            "seq": "BIGINT", "campaign": "VARCHAR", "experiment": "VARCHAR", "run": "VARCHAR", "task": "VARCHAR",
            "step": "BIGINT", "loss": "DOUBLE",
        },
        _CURVES,
    ),
)  # fmt: skip
"""Tables that join others."""


def sql_tables() -> Iterator[SqlTable]:
    """Yield every table, the ones that others read first."""
    for kind in TABLES:
        select = f"FROM {{source}}.{kind.table} WHERE seq <= {{at}}"
        yield SqlTable(kind.table, _summary(kind), columns(kind), select)
    yield from JOINED


def _summary(kind: type[Row]) -> str:
    return (getdoc(kind) or "").partition("\n")[0]
