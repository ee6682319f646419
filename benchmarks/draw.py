"""Draw seconds by number of nodes: JSON on standard input, the path of the SVG as argument.

It runs with the programs of benchmarks/requirements.txt, and so imports nothing of nodeprov.
"""

import json
import sys

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot

pyplot.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "nodeprov", "font.size": 10}
results = {int(size): found for size, found in json.load(sys.stdin).items()}
figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
for name in [each["name"] for each in next(iter(results.values()))]:
    seconds = [next(each["seconds"] for each in found if each["name"] == name) for found in results.values()]
    axes.plot([*results], seconds, marker="o", label=name)
axes.set(xlabel="nodes", ylabel="seconds", ylim=(0, None), xticks=[*results])
axes.grid(alpha=0.3)
axes.legend(frameon=False)
figure.savefig(sys.argv[1], metadata={"Date": None})
