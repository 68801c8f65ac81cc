"""The design grammar: trees of typed units, their rendering to source and prose, and the operators that vary them.

    rng = random.Random(7)
    child = vary(BASELINES["gated-deltanet"].design, [BASELINES["gla"].design], rng, bias_from_text(["try a router"]))
    print(tree(child.design), render(child.design).source, motivation(child, "gated-deltanet"))

Nothing here imports torch: a design is data, and only a trainer runs its source.
"""

from agents.design.baselines import BASELINES, HUMAN_DESIGNS, Baseline
from agents.design.bias import NEUTRAL, Bias, bias_from_text
from agents.design.describe import name, summary, tree
from agents.design.motivation import motivation
from agents.design.operators import crossover, from_scratch, mutate, vary
from agents.design.render import Rendered, render
from agents.design.space import count_designs, draw_design
from agents.design.tree import ConvolutionPath, Design, MemoryPath, Path, WindowPath
from agents.design.variation import Variation, unit_labels

__all__ = [
    "BASELINES",
    "HUMAN_DESIGNS",
    "NEUTRAL",
    "Baseline",
    "Bias",
    "ConvolutionPath",
    "Design",
    "MemoryPath",
    "Path",
    "Rendered",
    "Variation",
    "WindowPath",
    "bias_from_text",
    "count_designs",
    "crossover",
    "draw_design",
    "from_scratch",
    "motivation",
    "mutate",
    "name",
    "render",
    "summary",
    "tree",
    "unit_labels",
    "vary",
]
