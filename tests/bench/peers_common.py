"""What the peers' scripts share: the workloads, their data, and how steps are timed. The models are those of models/mlp.nn,
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


def arguments():
    """mode, workload, threads, seconds"""
    mode, name, threads, seconds = sys.argv[1:5]
    return mode, ALL[name], int(threads), float(seconds)


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


def measure(run, seconds, chunk=1):
    """run(n) does n steps, n a multiple of |chunk|, and returns when they are done. Prints the median of pieces of some 50 ms."""
    run(chunk)
    start = time.perf_counter()
    run(3 * chunk)
    each = (time.perf_counter() - start) / (3 * chunk)
    count = max(chunk, int(0.05 / each) // chunk * chunk)
    pieces, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(pieces) < 5:
        start = time.perf_counter()
        run(count)
        pieces.append((time.perf_counter() - start) / count * 1e6)
    pieces.sort()
    print("%.3f" % pieces[len(pieces) // 2])
