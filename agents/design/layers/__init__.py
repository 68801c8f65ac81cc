"""Layers of papers that the grammar has no units for, one file each, in the form of a proposed source.

Nothing imports them: `agents.design.baselines` reads them as text, and only a trainer runs them. Each computes its
paper's formula; `tests/agents/test_published_layers.py` compares it with the recurrence step by step. A replay of a
campaign that opened with a layer proposes its file again, so a file stays as it is. A better one gets another name.
"""
