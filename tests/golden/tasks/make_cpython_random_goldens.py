"""Writes cpython_random.json: what CPython's random.Random gives, for tests/tasks/scoring/cpython_random_test.cc.

    python3 make_cpython_random_goldens.py [--out cpython_random.json]
"""

import argparse
import json
import random
import sys


def golden_of_seed(seed):
    rng = random.Random(seed)
    bits = [rng.getrandbits(count) for count in (32, 1, 7, 31)]
    reals = [rng.random().hex() for _ in range(3)]
    # choice() takes the element at _randbelow(n)
    choices = [[n, rng.choice(range(n))] for n in (1, 2, 3, 10, 624, 7473, 2**31)]
    # Pool and set branches of sample(), and the sizes around their border.
    samples = []
    for n, k in [(5, 5), (21, 5), (22, 5), (85, 6), (86, 6), (7473, 5), (7473, 8), (1000, 64), (300, 64), (1, 1), (9, 0)]:
        samples.append([n, k, rng.sample(range(n), k)])
    for _ in range(200):  # beyond the first 624 words
        rng.getrandbits(32)
    return {"seed": seed, "bits": bits, "reals": reals, "choices": choices, "samples": samples,
            "after": rng.getrandbits(32)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="cpython_random.json")
    args = parser.parse_args()
    seeds = [0, 1, 42, 1234, 2**32 - 1, 2**32, 2**40 + 12345]
    goldens = {"python": sys.version.split()[0], "seeds": [golden_of_seed(seed) for seed in seeds]}
    with open(args.out, "w") as file:
        json.dump(goldens, file, indent=None, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
