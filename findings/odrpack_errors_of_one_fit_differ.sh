#!/bin/bash
# odrpack 0.7.0: the standard deviations of a fit are not the roots of its covariance matrix.
#
# Guess: sd_beta and cov_beta of one result, described as standard deviations and covariance matrix of the estimated parameters, belong together:
# the first is the root of the second's diagonal.
# Real: cov_beta holds for the weights as they were given; sd_beta is that times the residual variance, so that the weights count only against each
# other. With known uncertainties of 0.5 at six points that lie within 0.1 of a line, the slope's standard deviation is 0.066, as cov_beta has
# it; sd_beta says 0.016. With points that scatter more than stated it is the other way round.
# Who meets it: effective half-lives and calibration lines of a few points with stated uncertainties in both axes: which of two numbers of one
# result is taken changes the uncertainty by a factor that is chance, and products such as intervals of predictions mix them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check odrpack==0.7.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
from odrpack import odr_fit

x = np.linspace(1.0, 10.0, 6)
known = 0.5
true = np.sqrt(np.diag(np.linalg.inv(np.array([[np.sum(x**2), np.sum(x)], [np.sum(x), len(x)]]) / known**2)))


def fitted(scatter):
    y = 2.0 * x + 1.0 + scatter * np.array([1, -1, 1, -1, 1, -1])
    weights_x = np.full(len(x), 1e8)  # x is known
    return odr_fit(lambda x, beta: beta[0] * x + beta[1], x, y, np.array([1.0, 1.0]), weight_x=weights_x, weight_y=np.full(len(x), known**-2))


for scatter in (0.1, 2.0):
    fit = fitted(scatter)
    root = np.sqrt(np.diag(fit.cov_beta))
    print(f"scatter {scatter}: slope's deviation {fit.sd_beta[0]:.4f} (sd_beta), {root[0]:.4f} (cov_beta), {true[0]:.4f} by the known uncertainties")
    assert np.allclose(root, true, rtol=0.02), (root, true)
    assert np.allclose(fit.sd_beta, root * np.sqrt(fit.res_var), rtol=1e-6)
assert fitted(0.1).sd_beta[0] < 0.3 * true[0] and fitted(2.0).sd_beta[0] > 3 * true[0]
PYTHON
