"""How a role thinks with a language model: conversations that a decision holds, one question after another.

A conversation is part of a decision: it yields questions and is sent replies, which the trace records, and every answer
is accounted for in the log at once (`agents.llm.asking`).

| module | what it does |
| --- | --- |
| `conversation` | the turns of one conversation, within a budget of tokens |
| `designing` | the researcher: plan, code, check, reflect, and again after a fault or a repetition |
| `forms` | the forms of an edit: whole file, search and replace, crossover of two parents |
| `unitwise` | the form that answers one unit of a design after another |
| `novelty` | whether an idea is an earlier one in other words |
| `repairing`, `judging` | the engineer's and the analyst's conversations |
| `single` | the single questions of logs before these conversations |
"""
