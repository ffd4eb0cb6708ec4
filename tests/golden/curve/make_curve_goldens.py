"""Golden values of reports/curve.cc and reports/distributions.cc, by scipy. Needs numpy and scipy.

    python3 make_curve_goldens.py > curve.json
"""

import json

import numpy as np
from scipy import stats


def pseudo_residuals(x, y):
    """Gasser, Sroka, Jennen-Steinmetz: variance from each inner point's distance to the line through its neighbours."""
    squares = []
    for i in range(1, len(x) - 1):
        between = np.interp(x[i], [x[i - 1], x[i + 1]], [y[i - 1], y[i + 1]])
        a = (x[i + 1] - x[i]) / (x[i + 1] - x[i - 1])
        squares.append((between - y[i]) ** 2 / (a * a + (1 - a) ** 2 + 1))
    return float(np.sqrt(np.mean(squares)))


def kendall(y):
    x = np.arange(len(y))
    method = "exact" if len(set(y)) == len(y) else "asymptotic"
    result = stats.kendalltau(x, y, method=method)
    if method == "exact":
        return {"y": list(y), "tau": result.statistic, "p": result.pvalue}
    # scipy's normal approximation has no correction for continuity; Mann and Kendall's test has.
    n, counts = len(y), np.unique(y, return_counts=True)[1]
    s = sum(np.sign(y[j] - y[i]) for i in range(n) for j in range(i + 1, n))
    variance = (n * (n - 1) * (2 * n + 5) - (counts * (counts - 1) * (2 * counts + 5)).sum()) / 18
    plain = 2 * stats.norm.sf(abs(s) / np.sqrt(variance))
    assert abs(plain - result.pvalue) < 1e-12, (plain, result.pvalue)
    return {"y": list(y), "tau": result.statistic, "p": 2 * stats.norm.sf((abs(s) - 1) / np.sqrt(variance))}


def rss(x, y):
    slope, start = np.polyfit(x, y, 1)
    return ((y - slope * x - start) ** 2).sum()


def chow(x, y):
    n, best = len(x), None
    for split in range(4, n - 3):
        two = rss(x[:split], y[:split]) + rss(x[split:], y[split:])
        if best is None or two < best[0]:
            best = two, split
    f = (rss(x, y) - best[0]) / 2 / (best[0] / (n - 4))
    return {"x": x.tolist(), "y": y.tolist(), "index": best[1], "p": min(1, stats.f.sf(f, 2, n - 4) * (n - 7))}


def main():
    random = np.random.default_rng(7)
    x = np.array([10, 20, 30, 50, 80, 100, 150, 200.0])
    y = np.array([0.25, 0.31, 0.30, 0.42, 0.40, 0.47, 0.49, 0.50])
    even = np.arange(-6, 6, 1.0)
    broken = np.where(even < 1, 0.02 * even, 0.5 - 0.03 * even) + 0.01 * random.standard_normal(12)
    out = {
        "distributions": {
            "normal": [[z, stats.norm.sf(z)] for z in (-3.0, 0.0, 1.5, 6.0)],
            "normal_quantile": [[p, stats.norm.ppf(p)] for p in (1e-6, 0.025, 0.5, 0.9, 0.999)],
            "student": [[t, df, stats.t.sf(t, df)] for t in (-2.0, 0.5, 12.0) for df in (1.0, 2.5, 30.0)],
            "student_quantile": [[p, df, stats.t.ppf(p, df)] for p in (0.025, 0.9, 0.9999) for df in (1.0, 4.0, 100.0)],
            "f": [[f, a, b, stats.f.sf(f, a, b)] for f in (0.1, 1.0, 20.0) for a in (1.0, 2.0) for b in (3.0, 40.0)],
        },
        "noise": {"x": x.tolist(), "y": y.tolist(), "sd": pseudo_residuals(np.log(x), y)},
        "trend": [kendall(row) for row in ([1, 3, 2, 5, 4, 6.0], [0.25, 0.25, 0.3, 0.28, 0.4, 0.4, 0.39, 0.5],
                                           [5, 4, 3, 2, 1.0], random.standard_normal(40).round(6).tolist())],
        "change": chow(even, broken),
        "benjamini_hochberg": [0.01, 0.04, 0.03, 0.005, 0.6],
        "benjamini_hochberg_q": stats.false_discovery_control([0.01, 0.04, 0.03, 0.005, 0.6]).tolist(),
    }
    print(json.dumps(out, indent=1))


main()
