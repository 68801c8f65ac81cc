"""The ways in which a researcher program fails, each with a reason.

| reason | meaning |
| --- | --- |
| `too_large` `syntax` `import` `forbidden` | the static check refuses the source |
| `no_policy` | the module can't be loaded, or declares no usable `POLICY` |
| `parameters` | the policy refuses its parameters |
| `raised` | an exception; the message is its last line, with the line of the program |
| `timeout` | a step took more CPU time than its budget, or did not answer |
| `memory` | it took more memory than its limit |
| `denied` | it tried something that the sandbox forbids: a file, the network, another process |
| `crashed` | its process died, left, or wrote something other than an answer |
| `not_a_query` | it yielded something other than a query |
| `foreign_query` | it asked something that no program may ask, or about another campaign or position |
| `too_many_queries` | one step asked more often than a step may |
| `too_much` | a query is too long, or a step's queries and their answers together are |
| `impure` | the same step, made again with the same answers, asked something else |
| `bad_answer` | what it returned is no suggestion, or no renewal |
| `foreign_ids` | its suggestion names an experiment that does not exist, is under a veto, or occurs twice |
"""

from bus.wire.plain_text import clean_line

MAX_MESSAGE_CHARACTERS = 300


class ProgramFault(Exception):
    """A researcher program failed: the program's fault, never the lab's."""

    def __init__(self, reason: str, message: str) -> None:
        """Take the reason and one line for its author."""
        self.reason = reason
        self.message = clean_line(message, MAX_MESSAGE_CHARACTERS)
        super().__init__(f"{reason}: {self.message}")
