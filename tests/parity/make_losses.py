"""The rows of a framework's table of losses as models: `make_losses.py keras|torch LOSSES.json` writes rows*.nn, *.npy, *.safetensors and rows.txt to
losses-FRAMEWORK. A row holds loss, options, through, target, prediction (f32), value and grad, as the framework computed them; rows of equal length share a
file. rows.txt lists every row of the table; own.nn holds the losses that the prelude does not have."""
import json, os, sys
import numpy as np
from safetensors.numpy import save_file

FRAMEWORK, TABLE = sys.argv[1:]
OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "losses-" + FRAMEWORK)
ROWS = json.load(open(TABLE))
FORM = """# Losses of a table: a prediction w becomes the gradient of its loss, v the loss itself.
follow %s
include "own.nn"

data {
    train k = npy("rows%d.k.npy"), %s
}

optimizer take(p, g) { update p = g }

model losses {
    input k: i32[N]
%s    output all = %s * f32(k)
    loss %s
}

train {
    optimizer take()
    batch %d
    epochs 1
    shuffle false
}
"""

def target(row):
    """The target as the framework got it: class numbers whole, all else f32."""
    t = np.array(row["target"])
    return t.astype(np.int32 if t.ndim == 1 and "cross_entropy" in row["loss"] else np.float32)

def value(row):
    """The framework's value. No value of nnc is subnormal, which PyTorch's bce shows: a subnormal prediction counts as the row's prediction 0."""
    if row["loss"] != "bce" or row.get("through"):
        return np.float32(row["value"])
    p, t, each = np.ravel(row["prediction"]), np.ravel(row["target"]), np.ravel(row["each"])
    small = np.flatnonzero((p != 0) & (abs(p) < np.finfo(np.float32).tiny))
    for i in small:
        each[i] = each[(p == 0) & (t == t[i])][0]
    return np.float32(each.mean() if len(small) else row["value"])

def call(row, z, y):
    """The row's loss of the prediction z and the target y, in nnc's language."""
    loss, o = row["loss"], dict(row["options"])
    if row.get("through"):
        z = "%s(%s)" % (row["through"], z)
    o.pop("from_logits", None)
    smoothing = o.pop("label_smoothing", 0)
    if loss == "kl_div":
        return {"batchmean": "kl_divergence(exp(%s), %s)", "mean": "kl_mean(exp(%s), %s)"}[o.pop("reduction")] % (z, y)
    if "weight" in o:
        loss = "weighted_cross_entropy"
        o["class_weight"] = "tensor(%s)" % o.pop("weight")
    if "pos_weight" in o:
        loss = "weighted_bce_with_logits"
        o["pos_weight"] = o["pos_weight"][0]
    if np.ravel(row["target"]).min() == -100:
        loss = "seen_cross_entropy"
    if smoothing and loss == "weighted_cross_entropy":
        o["smoothing"] = smoothing
    elif smoothing:
        classes = len(row["prediction"][0])
        y = "smoothed(%s, %g, %d)" % (("class_rows(%s, %s)" % (z, y) if np.ndim(row["target"]) == 1 else y), smoothing, max(classes, 2))
    return "%s(%s, %s%s)" % (loss, z, y, "".join(", %s = %s" % i for i in o.items()))

groups = {}
for i, row in enumerate(ROWS):
    groups.setdefault(len(row["target"]), []).append(i)
for n, rows in groups.items():
    at = lambda s: os.path.join(OUT, "rows%d.%s" % (n, s))
    named, lines, init, want = {}, "", {}, {}
    for i in rows:
        t, p = target(ROWS[i]), np.array(ROWS[i]["prediction"], np.float32)
        key = (t.dtype.kind, t.shape, t.tobytes())
        if key not in named:
            named[key] = "y%d" % i
            np.save(at("y%d.npy" % i), t)
        z = "gather(w%d, k)" % i
        lines += "    w%d = weight(%s, zeros)\n    l%d = %s\n    v%d = weight([], zeros)\n" % (i, list(p.shape), i, call(ROWS[i], z, named[key]), i)
        init["w%d" % i], init["v%d" % i] = p, np.zeros((), np.float32)
        want["w%d" % i], want["v%d" % i] = np.array(ROWS[i]["grad"], np.float32), np.array(value(ROWS[i]))
    targets = "".join("    target %s: %s[%s]\n" % (v, "i32" if k[0] == "i" else "f32", ", ".join(["N"] + [str(d) for d in k[1][1:]])) for k, v in named.items())
    np.save(at("k.npy"), np.arange(n, dtype=np.int32))
    save_file(init, at("init.safetensors"))
    save_file(want, at("gradients.safetensors"))
    with open(at("nn"), "w") as f:
        f.write(FORM % (FRAMEWORK, n, ", ".join('%s = npy("rows%d.%s.npy")' % (v, n, v) for v in named.values()), targets + lines, "l%d" % rows[0],
                        " + ".join("l%d + v%d * stop_gradient(l%d)" % (i, i, i) for i in rows), n))
with open(os.path.join(OUT, "rows.txt"), "w") as f:
    for i, r in enumerate(ROWS):
        options = "".join(" %s=%s" % (k, str(v).replace(" ", "")) for k, v in r["options"].items())
        f.write("%d %s%s%s\n" % (i, r["loss"], " of " + r["through"] if r.get("through") else "", options))
