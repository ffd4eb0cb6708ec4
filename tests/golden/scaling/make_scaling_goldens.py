"""Golden values of reports/scaling_fit.cc: the same law fitted by scipy. Needs numpy and scipy.

    python3 make_scaling_goldens.py > scaling.json
"""

import json

import numpy as np
from scipy import stats
from scipy.optimize import curve_fit


def law(x, e, b, alpha):
    return np.log(e + np.exp(b - alpha * x))


def line(x, b, alpha):
    return b - alpha * x


def fit(compute, loss, irreducible):
    x = np.log(compute)
    mean = x.mean()
    x, y = x - mean, np.log(loss)
    if irreducible:
        best = None
        for share in (0.1, 0.3, 0.5, 0.7, 0.9):
            e = share * loss.min()
            slope, start = np.polyfit(x, np.log(loss - e), 1)
            p, cov = curve_fit(law, x, y, p0=(e, start, -slope), ftol=1e-15, xtol=1e-15, gtol=1e-15, maxfev=100000)
            rss = ((y - law(x, *p)) ** 2).sum()
            if best is None or rss < best[2]:
                best = p, cov, rss
        p, cov, rss = best
        function = law
    else:
        p, cov = curve_fit(line, x, y, p0=(0, 0.1), ftol=1e-15, xtol=1e-15, gtol=1e-15)
        rss = ((y - line(x, *p)) ** 2).sum()
        function = line
    n, k = len(x), len(p)
    new = np.log(10 * compute.max()) - mean
    step = 1e-6 * np.maximum(np.abs(p), 1e-3)
    gradient = np.array([(function(new, *(p + step * (np.arange(k) == i))) -
                          function(new, *(p - step * (np.arange(k) == i)))) / (2 * step[i]) for i in range(k)])
    half = stats.t.ppf(0.975, n - k) * np.sqrt(gradient @ cov @ gradient)
    value = np.exp(function(new, *p))
    return {
        "compute": compute.tolist(), "loss": loss.tolist(),
        "irreducible": p[0] if irreducible else None, "exponent": p[-1], "scale": np.exp(p[-2] + p[-1] * mean),
        "exponent_stderr": np.sqrt(cov[-1, -1]), "irreducible_stderr": np.sqrt(cov[0, 0]) if irreducible else None,
        "residual_sd": np.sqrt(rss / (n - k)),
        "at": 10 * compute.max(), "value": value, "low": value * np.exp(-half), "high": value * np.exp(half),
    }


def main():
    random = np.random.default_rng(20240105)
    compute = np.logspace(17, 21, 9)
    cases = {
        "without a floor": fit(compute, 40 * compute ** -0.09 * np.exp(0.004 * random.standard_normal(9)), False),
        "with a floor": fit(compute, (0.6 + 2.5e4 * compute ** -0.27) * np.exp(0.002 * random.standard_normal(9)), True),
        "four points": fit(compute[:4], 40 * compute[:4] ** -0.09 * np.exp(0.01 * random.standard_normal(4)), False),
    }
    print(json.dumps(cases, indent=1))


main()
