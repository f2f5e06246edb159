"""What the peers' scripts share: the workloads, their data, and the conversation with peers.py. The models are those of models/mlp.nn,
mlp_bn.nn, sine.nn and of digits_like.nn beside this file."""
import sys
import time

import numpy as np


class Workload:
    def __init__(self, layers, rows, batch, hidden, norm=False, classes=True, beta2=0.999):
        self.layers, self.rows, self.batch = layers, rows, batch
        self.hidden = hidden                    # activation of the hidden layers: "relu" or None
        self.norm = norm                        # batch norm before it, dropout of one half behind it
        self.classes = classes                  # softmax cross-entropy on labels; else the mean squared error of one number
        self.beta2 = beta2
        self.whole = batch >= rows              # one batch holds all rows: nothing is drawn


ALL = {
    "W1": Workload([100, 128, 10], 1000, 1000, "relu"),
    "W2": Workload([100, 256, 128, 10], 1000, 1000, "relu", norm=True),
    "W3": Workload([10, 100, 1], 7000, 32, None, classes=False, beta2=0.9999),
    "W4": Workload([784, 128, 64, 10], 60000, 32, "relu"),
}
RATE, EPSILON = 1e-3, 1e-7


# Seconds that a step takes, roughly: from these the length of compiled loops.
ROUGHLY = {"W1": 1e-3, "W2": 8e-3, "W3": 15e-6, "W4": 3e-4}


def arguments():
    """mode, workload, threads, steps of a compiled loop"""
    mode, name, threads = sys.argv[1:4]
    return mode, ALL[name], int(threads), chunk(ALL[name], ROUGHLY[name])


def data(w):
    """Learnable, so that no unit dies and no moment decays into subnormal numbers."""
    r = np.random.default_rng(0)
    x = r.standard_normal((w.rows, w.layers[0]), dtype=np.float32)
    if w.classes:
        return x, x[:, :10].argmax(axis=1).astype(np.int32)
    y = np.sin(x).sum(axis=1)
    return x, ((y - y.min()) / (y.max() - y.min())).astype(np.float32)[:, None]


class Order:
    """Rows in shuffled order, an epoch at a time."""

    def __init__(self, w):
        self.r, self.w, self.at = np.random.default_rng(1), w, w.rows

    def take(self, count):
        if self.at + count > self.w.rows:
            self.order, self.at = self.r.permutation(self.w.rows).astype(np.int32), 0
        self.at += count
        return self.order[self.at - count:self.at]


def initial(w):
    """[(weight, bias)] of the layers: Glorot's uniform numbers, zeros."""
    r = np.random.default_rng(2)
    out = []
    for m, n in zip(w.layers, w.layers[1:]):
        limit = (6 / (m + n)) ** 0.5
        out.append((r.uniform(-limit, limit, (m, n)).astype(np.float32), np.zeros(n, np.float32)))
    return out


def chunk(w, each):
    """Steps in one call of a compiled loop: some 40 ms, a step taking about |each| seconds; whole batches of an epoch at most."""
    return max(1, min(int(0.04 / each), w.rows // w.batch if not w.whole else 1000))


def serve(run, least=1):
    """run(n) does n steps, n a multiple of |least|, and returns when they are done. Says that it is ready, then answers each number
    of steps, a line, with the seconds they took."""
    run(least)
    run(least)
    print("ready", least, flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        run(int(line))
        print("%.9f" % (time.perf_counter() - start), flush=True)
