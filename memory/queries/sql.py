"""AskSql: a person's own question."""

from concurrent.futures import Future
from functools import cached_property

from bus.vocabulary.queries import AskSql, SqlRows
from memory.queries.handler import QueryHandler
from memory.sql.answering import submit

_RUNNING: dict[AskSql, Future[SqlRows]] = {}
"""The statements that are being answered."""


class SqlHandler(QueryHandler[AskSql]):
    """Answers in a process of its own, on a copy of the rows."""

    query_type = AskSql

    def fitting(self) -> Future[SqlRows]:
        """Return the future rows: the service answers others meanwhile."""
        return self._rows

    @cached_property
    def _rows(self) -> Future[SqlRows]:
        """Run the statement, unless it runs already: whoever waits for long asks again."""
        running = _RUNNING.get(self.query)
        if running is None:
            running = _RUNNING[self.query] = submit(self.knowledge.store, self.query)
            running.add_done_callback(lambda _: _RUNNING.pop(self.query, None))
        return running

    def answer(self) -> SqlRows:
        """Return the rows. Raises ValueError for a statement that is no SELECT, is wrong or takes too long."""
        return self._rows.result()
