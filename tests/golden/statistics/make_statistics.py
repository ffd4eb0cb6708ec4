"""Known answers for tests/reports/statistics_test.cc, from scipy and statsmodels:

    pip install scipy statsmodels numpy
    python make_statistics.py > statistics.json
"""

import json

import numpy as np
import scipy
import statsmodels
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import zt_ind_solve_power
from statsmodels.stats.proportion import proportion_confint


def clustered_mean(values, clusters):
    fit = sm.OLS(values, np.ones(len(values))).fit(cov_type="cluster", cov_kwds={"groups": clusters})
    return [fit.params[0], fit.bse[0]]


def clustered_difference(a, b, clusters):
    return clustered_mean(np.array(a) - np.array(b), clusters)


random = np.random.default_rng(7)
clusters = [int(c) for c in random.integers(0, 12, 60)]
unique = sorted(set(clusters))
clusters = [unique.index(c) for c in clusters]
a = [round(float(v), 3) for v in random.random(60)]
b = [round(float(v), 3) for v in random.random(60)]
paired = [0.5, -0.25, 1.0, 0.75, -0.125, 0.375, 0.625, -0.5, 0.25, 0.875]
p_values = [0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205, 0.212, 0.216, 0.222, 0.251, 0.269, 0.275, 0.34]

golden = {
    "made_with": {"scipy": scipy.__version__, "statsmodels": statsmodels.__version__, "numpy": np.__version__},
    "mcnemar": [
        [x, y, mcnemar([[0, x], [y, 0]], exact=True).pvalue] for x, y in [(0, 1), (1, 5), (3, 12), (10, 10), (40, 70), (900, 1000)]
    ],
    "binomial_test": [
        [k, n, p, stats.binomtest(k, n, p).pvalue] for k, n, p in [(0, 10, 0.3), (7, 20, 0.5), (45, 100, 0.557), (950, 1000, 0.93), (584, 1319, 0.63)]
    ],
    "student_quantile": [[p, d, stats.t.ppf(p, d)] for p in (0.8, 0.975, 0.01) for d in (1, 2.5, 19, 999)],
    "student_cdf": [[t, d, stats.t.cdf(t, d)] for t in (-3.0, 0.2, 2.1) for d in (1, 7, 120)],
    "normal_quantile": [[p, stats.norm.ppf(p)] for p in (1e-9, 0.025, 0.5, 0.8, 0.975)],
    "wilson": [[k, n, *proportion_confint(k, n, method="wilson")] for k, n in [(0, 20), (5, 100), (50, 100), (700, 1319)]],
    "exact": [[k, n, *proportion_confint(k, n, method="beta")] for k, n in [(0, 20), (5, 100), (20, 20), (700, 1319)]],
    "benjamini_hochberg": [p_values, [float(q) for q in multipletests(p_values, method="fdr_bh")[1]]],
    "clusters": clusters,
    "a": a,
    "b": b,
    "clustered_mean": clustered_mean(np.array(a), clusters),
    "clustered_difference": clustered_difference(a, b, clusters),
    "paired": paired,
    "sign_flips": float(
        stats.permutation_test((paired,), np.sum, permutation_type="samples", n_resamples=np.inf, alternative="two-sided").pvalue
    ),
    "paired_t_interval": list(stats.ttest_1samp(np.array(a) - np.array(b), 0).confidence_interval(0.95)),
    "mde80": zt_ind_solve_power(nobs1=10**6, alpha=0.05, power=0.8, ratio=0),
}
print(json.dumps(golden, indent=1))
