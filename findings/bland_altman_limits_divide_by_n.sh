#!/bin/bash
# statsmodels 0.15.0 and pyCompare 1.5.4: limits of agreement (Bland and Altman) of few patients are drawn too narrow.
#
# Guess: mean difference plus and minus 1.96 standard deviations of the sample (divided by n - 1), as in the method's own paper.
# Real: both divide by n. With five patients the limits are 10.6 % narrower than those of pingouin 0.7.0, with ten 5.1 %; the legend and the
# drawn numbers do not say which.
# Who meets it: agreement of readers, cameras or dosimetry programs on a handful of patients or phantoms, which is the usual number.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check statsmodels==0.15.0 pyCompare==1.5.4 pingouin==0.7.0 matplotlib==3.11.2 \
  numpy==2.4.6 scipy==1.17.1 pandas==3.1.1
cd "$folder"
MPLBACKEND=Agg "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import matplotlib.pyplot as plt
import numpy as np
import pingouin
import pyCompare
import statsmodels.graphics.agreement as agreement

first = np.array([17.4, 12.1, 22.8, 9.6, 15.0])  # T/N ratio by one reader
second = np.array([16.2, 13.0, 20.9, 9.9, 14.1])  # and by the other
differences = first - second


def width(axes):
    """Distance of the upper from the lower limit among the horizontal lines of a plot."""
    levels = [float(line.get_ydata()[0]) for line in axes.lines]
    return max(levels) - min(levels)


def by(draw):
    axes = plt.figure().add_subplot()
    draw(axes)
    return width(axes)


found = {
    "statsmodels": by(lambda axes: agreement.mean_diff_plot(first, second, ax=axes)),
    "pyCompare": by(lambda axes: pyCompare.blandAltman(first, second, ax=axes)),
    "pingouin": by(lambda axes: pingouin.plot_blandaltman(first, second, ax=axes)),
}
sample, population = 3.92 * differences.std(ddof=1), 3.92 * differences.std()
print(f"width of the limits: true {sample:.3f};", ", ".join(f"{name} {value:.3f}" for name, value in found.items()))
assert abs(found["pingouin"] - sample) < 1e-3
assert abs(found["statsmodels"] - population) < 1e-3 and abs(found["pyCompare"] - population) < 1e-3
assert abs(population / sample - 0.894) < 1e-3
PYTHON
