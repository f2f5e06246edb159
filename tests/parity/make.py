"""What PyTorch 2.13 and Keras 3.15 on TensorFlow 2.21 do with small models: `make.py torch|keras [NAME...]` writes cases-FRAMEWORK beside itself.

NAME.nn is the model in nnc's language, NAME.steps.csv the loss of each of the framework's steps, weights.txt the FNV-1a digest of each initial weight's
bytes (f32, little end first, nnc's layout), tolerances.txt ten times the drift of the losses between the run and the same run in binary64 (torch) or op by
op (keras), and at least 1e-6. Needs torch, or keras with tensorflow-cpu."""
import os, sys
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
WHICH = sys.argv[1]
OUT = os.path.join(HERE, "cases-" + WHICH)
DATA = os.path.join(HERE, "cases-data")

# ---- data: written once, the same for both
R = np.random.RandomState(7)
f32 = lambda a: np.ascontiguousarray(a, np.float32)
A = dict(x=f32(R.randn(100, 8)))
A["three"] = f32(np.tanh(A["x"] @ R.randn(8, 3)) + .1 * R.randn(100, 3))
A["kind"] = (A["x"] @ R.randn(8, 4)).argmax(1).astype(np.int32)
A["yes"] = f32(A["x"][:, 0] + A["x"][:, 1] > 0)
A["share"] = f32(R.dirichlet(np.ones(4), 100))
A["word"] = R.randint(0, 50, (100, 6)).astype(np.int32)
A["image"] = f32(R.randn(40, 6, 6))
A["shown"] = R.randint(0, 3, 40).astype(np.int32)
os.makedirs(DATA, exist_ok=True)
os.makedirs(OUT, exist_ok=True)
for k, a in A.items():
    np.save(os.path.join(DATA, k + ".npy"), a)

TYPES = dict(x="f32[N, 8]", three="f32[N, 3]", kind="i32[N]", yes="f32[N]", share="f32[N, 4]", word="i32[N, 6]", image="f32[N, 6, 6]", shown="i32[N]")
FORM = """follow %s

%sdata {
    train x = npy("../cases-data/%s.npy"), y = npy("../cases-data/%s.npy")
}

model m {
    input  x: %s
    target y: %s
%s}

train {
    optimizer %s
%s    batch   %d
    epochs  %d
    seed    %d
}
"""
CASES = {}

def case(name, data, body, optimizer, make, net, loss, train="", batch=16, epochs=6, seed=1, head="", exact=True, after=None, schedule=None):
    """body, optimizer, train, head: text; make: the framework's optimiser; net, loss: the framework's model and loss."""
    lines = "".join("    %s\n" % s.strip() for s in body.strip().split(";"))
    text = FORM % (WHICH, head + "\n" if head else "", data[0], data[1], TYPES[data[0]], TYPES[data[1]], lines, optimizer,
                   "    %s\n" % train if train else "", batch, epochs, seed)
    CASES[name] = dict(text=text, data=data, make=make, net=net, loss=loss, batch=batch, epochs=epochs, seed=seed, exact=exact, after=after, schedule=schedule)

TWO = "h = dense(x, 16); a = %s; o = dense(a, 3); output p = o; loss mse(p, y)"
DEEP = "a = dense(x, 12); b = dense(tanh(a), 12); c = dense(tanh(b), 7); o = dense(tanh(c), %d); output p = %s; loss %s"
WORDS = "e = embedding(x, 50, 8); n = layer_norm(e, epsilon = 1e-4); g = dense(flatten(n), 16); n2 = layer_norm(g); o = dense(tanh(n2), 4); output p = %s; loss %s"
NORM = "h = dense(x, 16); n = batch_norm(h, momentum = 0.7, epsilon = 1e-2); g = dense(tanh(n), 8); o = dense(tanh(g), 3); output p = o; loss mse(p, y)"
DROP = "a = dense(x, 16); d = dropout(tanh(a), 0.1); b = dense(d, 16); d2 = dropout(tanh(b), 0.3); o = dense(d2, 3); output p = o; loss mse(p, y)"
THREE = "a = dense(x, 16); b = dense(tanh(a), 16); o = dense(tanh(b), 3); output p = o; loss mse(p, y)"
SMALL = THREE.replace("loss mse(p, y)", "loss 1e-4 * mse(p, y)")
PENALTY = THREE.replace("output", "penalty 0.01 * l2(a.w); penalty 0.001 * l1(b.w); output")
FREE = "a = free(x, 18, %s); b = free(tanh(a), 5, %s); o = free(tanh(b), 3, %s); output p = o; loss mse(p, y)"
FREE_LAYER = "layer free(x: [..., D], units, init) {\n    w = weight([D, units], init)\n    return x @ w\n}\n"
IMAGE = "c = conv2d(reshape(x, [N, 6, 6, 1]), 4, 3); c2 = conv2d(tanh(c), 5, 3); o = dense(flatten(tanh(c2)), 3); output p = %s; loss %s"
CONV = """layer conv2d(x: [M, H, W, C], units, size%s) {
    w = weight([size, size, C, units], init)
    b = weight([units], bias_init)
    return conv(x, w) + b
}
"""
ACTIVATIONS = dict(leaky="leaky_relu(4 * h)", leaky3="leaky_relu(4 * h, slope = 0.3)", elu="elu(4 * h)", elu5="elu(4 * h, alpha = 0.5)", selu="selu(4 * h)",
                   gelu="gelu(4 * h)", gelu_tanh="gelu(4 * h, approximate = true)", silu="silu(4 * h)", softplus="softplus(4 * h)", softmax="softmax(4 * h)",
                   log_softmax="0.1 * log_softmax(4 * h)")
INITIALISERS = ["glorot_normal", "he_uniform", "lecun_normal", "truncated_normal(0.1, 0.3)", "normal(0.1, 0.2)", "uniform(-0.2, 0.3)", "orthogonal(gain = 1.5)"]

def word(text):
    return text.split("(")[0]

def fnv(a):
    h = 0xcbf29ce484222325
    for b in np.ascontiguousarray(a, np.float32).tobytes():
        h = ((h ^ b) * 0x100000001b3) & 0xffffffffffffffff
    return "%016x" % h

if WHICH == "torch":
    import torch, torch.nn as nn, torch.nn.functional as F, warnings
    from torch.utils.data import DataLoader, TensorDataset
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    P = torch.optim
    L = nn.Linear

    def net(build, forward):
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                build(self)
            def forward(self, x):
                return forward(self, x)
        return Net

    def weights(net):
        out = {}
        for name, m in net.named_modules():
            for k, v in m.named_parameters(recurse=False):
                v = v.detach().float()
                key = "gamma" if isinstance(m, (nn.BatchNorm1d, nn.LayerNorm)) and k == "weight" else "beta" if isinstance(m, (nn.BatchNorm1d, nn.LayerNorm)) else k[0]
                out[name + "." + key] = (v.T if isinstance(m, L) and v.dim() == 2 else v.permute(2, 3, 1, 0) if v.dim() == 4 else v).numpy().copy()
        return out

    def run(c, dtype=torch.float32):
        torch.manual_seed(c["seed"])
        n = c["net"]()
        first = weights(n)
        n.to(dtype)
        o = c["make"](n.parameters())
        rate = c["schedule"](o) if c["schedule"] else None
        x, y = (torch.from_numpy(A[k]) for k in c["data"])
        x, y = x.to(dtype) if x.dtype == torch.float32 else x.long(), y.to(dtype) if y.dtype == torch.float32 else y.long()
        losses = []
        for _ in range(c["epochs"]):
            for a, b in DataLoader(TensorDataset(x, y), batch_size=c["batch"], shuffle=True):
                o.zero_grad()
                l = c["loss"](n, n(a), b)
                l.backward()
                if c["after"]:
                    c["after"](n)
                o.step()
                if rate:
                    rate.step()
                losses.append(l.item())
        return first, np.array(losses)

    other = lambda c: run(c, torch.float64)
    mse = lambda n, p, y: F.mse_loss(p, y)
    ce = lambda n, p, y: F.cross_entropy(p, y)
    adam = lambda p: P.Adam(p, lr=.01)
    two = lambda f: net(lambda s: (setattr(s, "h", L(8, 16)), setattr(s, "o", L(16, 3))), lambda s, x: s.o(f(4 * s.h(x))))

    def deep(k, f=lambda z: z):
        def build(s):
            s.a, s.b, s.c, s.o = L(8, 12), L(12, 12), L(12, 7), L(7, k)
        return net(build, lambda s, x: f(s.o(torch.tanh(s.c(torch.tanh(s.b(torch.tanh(s.a(x)))))))))

    def three(s):
        s.a, s.b, s.o = L(8, 16), L(16, 16), L(16, 3)
    forward = lambda s, x: s.o(torch.tanh(s.b(torch.tanh(s.a(x)))))
    functions = dict(leaky=F.leaky_relu, leaky3=lambda x: F.leaky_relu(x, .3), elu=F.elu, elu5=lambda x: F.elu(x, .5), selu=F.selu, gelu=F.gelu,
                     gelu_tanh=lambda x: F.gelu(x, approximate="tanh"), silu=F.silu, softplus=F.softplus, softmax=lambda x: F.softmax(x, -1),
                     log_softmax=lambda x: .1 * F.log_softmax(x, -1))
    for k, t in ACTIVATIONS.items():
        case("act_" + k, ("x", "three"), TWO % t, "sgd(lr = 0.01)", lambda p: P.SGD(p, lr=.01), two(functions[k]), mse)
    case("loss_huber", ("x", "three"), DEEP % (3, "o", "huber(p, y, delta = 0.3)"), "adam(lr = 0.01)", adam, deep(3), lambda n, p, y: F.huber_loss(p, y, delta=.3))
    case("loss_bce", ("x", "yes"), DEEP % (1, "squeeze(sigmoid(o))", "bce(p, y)"), "adam(lr = 0.01)", adam, deep(1, lambda z: torch.sigmoid(z).squeeze(-1)),
         lambda n, p, y: F.binary_cross_entropy(p, y))
    case("loss_bce_logits", ("x", "yes"), DEEP % (1, "squeeze(o)", "bce_with_logits(p, y)"), "nadam(lr = 0.01)", lambda p: P.NAdam(p, lr=.01),
         deep(1, lambda z: z.squeeze(-1)), lambda n, p, y: F.binary_cross_entropy_with_logits(p, y))
    case("loss_soft", ("x", "share"), DEEP % (4, "o", "softmax_cross_entropy(p, y)"), "adam(lr = 0.01)", adam, deep(4), ce)
    case("loss_prob", ("x", "kind"), DEEP % (4, "softmax(o)", "cross_entropy(p, y)"), "adam(lr = 0.01)", adam, deep(4, lambda z: F.softmax(z, -1)),
         lambda n, p, y: F.nll_loss(torch.log(p), y))
    case("loss_kl", ("x", "share"), DEEP % (4, "softmax(o)", "kl_divergence(p, y)"), "adam(lr = 0.01)", adam, deep(4, lambda z: F.softmax(z, -1)),
         lambda n, p, y: F.kl_div(torch.log(p), y, reduction="batchmean"))
    for k, f in dict(mae=F.l1_loss, huber=F.huber_loss).items():
        case("column_" + k, ("x", "yes"), DEEP % (1, "o", k + "(p, y)"), "adam(lr = 0.01)", adam, deep(1), lambda n, p, y, f=f: f(p, y))
    def norms(s):
        s.h, s.n, s.g, s.o = L(8, 16), nn.BatchNorm1d(16, eps=1e-2, momentum=.3), L(16, 8), L(8, 3)
    case("batch_norm", ("x", "three"), NORM, "sgd(lr = 0.05)", lambda p: P.SGD(p, lr=.05), net(norms, lambda s, x: s.o(torch.tanh(s.g(torch.tanh(s.n(s.h(x))))))), mse)
    def words(s):
        s.e, s.n, s.g, s.n2, s.o = nn.Embedding(50, 8), nn.LayerNorm(8, eps=1e-4), L(48, 16), nn.LayerNorm(16), L(16, 4)
    case("words", ("word", "kind"), WORDS % ("o", "softmax_cross_entropy(p, y)"), "adamw(lr = 0.01, weight_decay = 0.05)", lambda p: P.AdamW(p, lr=.01, weight_decay=.05),
         net(words, lambda s, x: s.o(torch.tanh(s.n2(s.g(s.n(s.e(x)).flatten(1)))))), ce)
    case("dropout", ("x", "three"), DROP, "rmsprop(lr = 0.01, momentum = 0.5)", lambda p: P.RMSprop(p, lr=.01, momentum=.5),
         net(three, lambda s, x: s.o(F.dropout(torch.tanh(s.b(F.dropout(torch.tanh(s.a(x)), .1))), .3))), mse)
    def images(s):
        s.c, s.c2, s.o = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 5, 3), L(20, 3)
    case("conv", ("image", "shown"), IMAGE % ("o", "softmax_cross_entropy(p, y)"), "adam(lr = 0.005)", lambda p: P.Adam(p, lr=.005),
         net(images, lambda s, x: s.o(torch.tanh(s.c2(torch.tanh(s.c(x[:, None])))).permute(0, 2, 3, 1).flatten(1))), ce,
         head=CONV % ", init = conv_weight, bias_init = uniform(-1 / sqrt(C * size * size), 1 / sqrt(C * size * size))" +
         "\ninitializer conv_weight(shape) {\n    limit = 1 / sqrt(fan_in(shape))\n    return turned(random_uniform(drawn(shape), -limit, limit))\n}\n")
    I = nn.init
    draw = [I.xavier_normal_, I.kaiming_uniform_, lambda w: I.kaiming_normal_(w, nonlinearity="linear"), lambda w: I.trunc_normal_(w, .1, .3), lambda w: I.normal_(w, .1, .2),
            lambda w: I.uniform_(w, -.2, .3), lambda w: I.orthogonal_(w, 1.5)]
    for t, f in zip(INITIALISERS, draw):
        def build(s, f=f):
            s.a, s.b, s.o = L(8, 18, bias=False), L(18, 5, bias=False), L(5, 3, bias=False)
            torch.manual_seed(1)                     # the layers drew already; nnc draws once
            for l in (s.a, s.b, s.o):
                f(l.weight)
        case("init_" + word(t), ("x", "three"), FREE % (t, t, t), "sgd(lr = 0.05)", lambda p: P.SGD(p, lr=.05), net(build, forward), mse, head=FREE_LAYER, exact="ortho" not in t)
    def simple(name, text, make, **kw):
        case(name, ("x", "three"), kw.pop("body", THREE), text, make, net(three, forward), kw.pop("loss", mse), **kw)
    simple("opt_sgd", "sgd(lr = 0.05, momentum = 0.8, dampening = 0.2, weight_decay = 0.03)", lambda p: P.SGD(p, lr=.05, momentum=.8, dampening=.2, weight_decay=.03))
    simple("opt_adam", "adam(lr = 0.02, beta1 = 0.4, beta2 = 0.95, epsilon = 1e-4, amsgrad = true, weight_decay = 0.01)",
           lambda p: P.Adam(p, lr=.02, betas=(.4, .95), eps=1e-4, amsgrad=True, weight_decay=.01))
    simple("opt_adamw", "adamw(lr = 0.02, amsgrad = true)", lambda p: P.AdamW(p, lr=.02, amsgrad=True))
    simple("opt_adamax", "adamax(lr = 0.02, beta1 = 0.8, beta2 = 0.9, epsilon = 1e-4, weight_decay = 0.02)", lambda p: P.Adamax(p, lr=.02, betas=(.8, .9), eps=1e-4, weight_decay=.02))
    simple("opt_rmsprop", "rmsprop(lr = 0.005, rho = 0.4, momentum = 0.8, epsilon = 1e-5, centered = true, weight_decay = 0.01)",
           lambda p: P.RMSprop(p, lr=.005, alpha=.4, momentum=.8, eps=1e-5, centered=True, weight_decay=.01))
    simple("opt_adagrad", "adagrad(lr = 0.05, initial = 0.2, epsilon = 1e-6, lr_decay = 0.01, weight_decay = 0.01)",
           lambda p: P.Adagrad(p, lr=.05, initial_accumulator_value=.2, eps=1e-6, lr_decay=.01, weight_decay=.01))
    simple("opt_adadelta", "adadelta(lr = 0.5, rho = 0.8, epsilon = 1e-5, weight_decay = 0.01)", lambda p: P.Adadelta(p, lr=.5, rho=.8, eps=1e-5, weight_decay=.01))
    simple("opt_nadam", "nadam(lr = 0.01, beta1 = 0.8, beta2 = 0.95, epsilon = 1e-5, momentum_decay = 0.02, weight_decay = 0.01)",
           lambda p: P.NAdam(p, lr=.01, betas=(.8, .95), eps=1e-5, momentum_decay=.02, weight_decay=.01))
    simple("clip_global", "sgd(lr = 1000)", lambda p: P.SGD(p, lr=1000), train="clip    global_norm = 5e-5", body=SMALL, loss=lambda n, p, y: 1e-4 * F.mse_loss(p, y),
           after=lambda n: nn.utils.clip_grad_norm_(n.parameters(), 5e-5))
    simple("clip_value", "adam(lr = 0.01)", adam, train="clip    value = 0.01", after=lambda n: nn.utils.clip_grad_value_(n.parameters(), .01))
    simple("rate_cosine", "adam(lr = cosine(0.02, steps = 50))", lambda p: P.Adam(p, lr=.02), schedule=lambda o: P.lr_scheduler.CosineAnnealingLR(o, 50))
    simple("rate_polynomial", "rmsprop(lr = polynomial(0.02, steps = 30, end = 0, power = 2))", lambda p: P.RMSprop(p, lr=.02), schedule=lambda o: P.lr_scheduler.PolynomialLR(o, 30, 2.0))
    simple("penalty", "adam(lr = 0.01)", adam, body=PENALTY, loss=lambda n, p, y: F.mse_loss(p, y) + .01 * (n.a.weight ** 2).sum() + .001 * n.b.weight.abs().sum())
    simple("batch_over", "adam(lr = 0.01)", adam, batch=128, epochs=30, seed=4000000000)
    simple("batch_one", "sgd(lr = 0.01)", lambda p: P.SGD(p, lr=.01), batch=1, epochs=1)
else:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras, tensorflow as tf
    from keras import layers as L
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    O, I, S, T = keras.optimizers, keras.initializers, keras.optimizers.schedules, keras.activations
    NAMES = dict(kernel="w", bias="b", gamma="gamma", beta="beta", embeddings="w")

    class Each(keras.callbacks.Callback):
        """The loss of every single step: forgets the running mean before each batch."""
        def __init__(self):
            super().__init__()
            self.losses = []
        def on_train_batch_begin(self, batch, logs=None):
            self.model.reset_metrics()
        def on_train_batch_end(self, batch, logs=None):
            self.losses.append(logs["loss"])

    def run(c, eagerly=False):
        keras.utils.set_random_seed(c["seed"])
        m = c["net"]()
        m.compile(optimizer=c["make"](), loss=c["loss"], run_eagerly=eagerly, jit_compile=False)
        first = {l.name + "." + NAMES[v.name]: np.array(v.numpy(), np.float32) for l in m.layers for v in l.weights if v.name in NAMES}
        each = Each()
        m.fit(*(A[k] for k in c["data"]), batch_size=c["batch"], epochs=c["epochs"], verbose=0, callbacks=[each])
        return first, np.array(each.losses)

    other = lambda c: run(c, True)
    adam = lambda: O.Adam(.01)

    def two(f):
        def make():
            i = keras.Input((8,))
            a = L.Activation(f)(L.Dense(16, name="h")(i) * 4)      # layers draw when they are made
            return keras.Model(i, L.Dense(3, name="o")(a))
        return make

    def deep(k, activation=None, after=lambda o: o):
        def make():
            i = h = keras.Input((8,))
            for n, u in zip("abc", (12, 12, 7)):
                h = L.Dense(u, name=n, activation="tanh")(h)
            return keras.Model(i, after(L.Dense(k, name="o", activation=activation)(h)))
        return make

    def three(a={}, b={}, drop=None):
        def make():
            i = keras.Input((8,))
            h = L.Dense(16, name="a", activation="tanh", **a)(i)
            h = L.Dropout(drop[0])(h) if drop else h
            h = L.Dense(16, name="b", activation="tanh", **b)(h)
            h = L.Dropout(drop[1])(h) if drop else h
            return keras.Model(i, L.Dense(3, name="o")(h))
        return make

    functions = dict(leaky=T.leaky_relu, leaky3=lambda x: T.leaky_relu(x, .3), elu=T.elu, elu5=lambda x: T.elu(x, .5), selu=T.selu, gelu=T.gelu,
                     gelu_tanh=lambda x: T.gelu(x, approximate=True), silu=T.silu, softplus=T.softplus, softmax=T.softmax, log_softmax=lambda x: .1 * T.log_softmax(x))
    for k, t in ACTIVATIONS.items():
        case("act_" + k, ("x", "three"), TWO % t, "sgd(lr = 0.01)", lambda: O.SGD(.01), two(functions[k]), "mse")
    M = keras.losses
    for name, data, k, p, l, net, loss in (
            ("huber", "three", 3, "o", "huber(p, y, delta = 0.3)", deep(3), M.Huber(delta=.3)),
            ("bce_column", "yes", 1, "sigmoid(o)", "bce(p, y)", deep(1, "sigmoid"), "binary_crossentropy"),
            ("bce_behind", "yes", 1, "squeeze(sigmoid(o) * 1.5 - 0.25)", "bce(p, y)", deep(1, "sigmoid", lambda o: o * 1.5 - .25), "binary_crossentropy"),
            ("bce_logits", "yes", 1, "squeeze(o)", "bce_with_logits(p, y)", deep(1), M.BinaryCrossentropy(from_logits=True)),
            ("bce_softmax", "share", 4, "softmax(o)", "bce(p, y)", deep(4, "softmax"), "binary_crossentropy"),
            ("ce_sigmoid", "share", 4, "sigmoid(o)", "cross_entropy(p, y)", deep(4, "sigmoid"), "categorical_crossentropy"),
            ("ce_class", "kind", 4, "softmax(o)", "cross_entropy(p, y)", deep(4, "softmax"), "sparse_categorical_crossentropy"),
            ("ce_class_behind", "kind", 4, "softmax(o) * 2", "cross_entropy(p, y)", deep(4, "softmax", lambda o: o * 2), "sparse_categorical_crossentropy"),
            ("ce_share_behind", "share", 4, "softmax(o) * 2", "cross_entropy(p, y)", deep(4, "softmax", lambda o: o * 2), "categorical_crossentropy"),
            ("ce_logits", "share", 4, "o", "softmax_cross_entropy(p, y)", deep(4), M.CategoricalCrossentropy(from_logits=True)),
            ("kl", "share", 4, "softmax(o)", "kl_divergence(p, y)", deep(4, "softmax"), "kl_divergence")):
        case("loss_" + name, ("x", data), DEEP % (k, p, l), "adam(lr = 0.01)", adam, net, loss)
    for k in ("mae", "huber"):
        case("column_" + k, ("x", "yes"), DEEP % (1, "o", k + "(p, y)"), "adam(lr = 0.01)", adam, deep(1), k)
    def norms():
        i = keras.Input((8,))
        n = L.BatchNormalization(name="n", momentum=.7, epsilon=1e-2)(L.Dense(16, name="h")(i))
        g = L.Dense(8, name="g", activation="tanh")(L.Activation("tanh")(n))
        return keras.Model(i, L.Dense(3, name="o")(g))
    case("batch_norm", ("x", "three"), NORM, "sgd(lr = 0.05)", lambda: O.SGD(.05), norms, "mse")
    def words():
        i = keras.Input((6,))
        n = L.LayerNormalization(name="n", epsilon=1e-4)(L.Embedding(50, 8, name="e")(i))
        n2 = L.LayerNormalization(name="n2")(L.Dense(16, name="g")(L.Flatten()(n)))
        return keras.Model(i, L.Dense(4, name="o", activation="softmax")(L.Activation("tanh")(n2)))
    # a table's gradient has a row for each word, equal words apart
    for k, (t, o, *clip) in dict(sgd=("sgd(lr = 0.1, momentum = 0.9)", lambda: O.SGD(.1, momentum=.9)),
            adamw=("adamw(lr = 0.01, weight_decay = 0.05)", lambda: O.AdamW(.01, weight_decay=.05)), adamax=("adamax(lr = 0.01)", lambda: O.Adamax(.01)),
            nadam=("nadam(lr = 0.01)", lambda: O.Nadam(.01)), rmsprop=("rmsprop(lr = 0.01, centered = true, momentum = 0.5)", lambda: O.RMSprop(.01, momentum=.5, centered=True)),
            adagrad=("adagrad(lr = 0.1)", lambda: O.Adagrad(.1)), adadelta=("adadelta(lr = 1)", lambda: O.Adadelta(1.0)),
            clip_global=("adam(lr = 0.01)", lambda: O.Adam(.01, global_clipnorm=.2), "clip    global_norm = 0.2"),
            clip_norm=("sgd(lr = 0.1)", lambda: O.SGD(.1, clipnorm=.05), "clip    norm = 0.05"),
            clip_value=("sgd(lr = 0.1)", lambda: O.SGD(.1, clipvalue=.005), "clip    value = 0.005")).items():
        case("words_" + k, ("word", "kind"), WORDS % ("softmax(o)", "cross_entropy(p, y)"), t, o, words, "sparse_categorical_crossentropy", train=clip[0] if clip else "")
    case("dropout", ("x", "three"), DROP, "rmsprop(lr = 0.01, momentum = 0.5)", lambda: O.RMSprop(.01, momentum=.5), three(drop=(.1, .3)), "mse")
    def images():
        i = keras.Input((6, 6))
        c = L.Conv2D(4, 3, name="c", activation="tanh")(L.Reshape((6, 6, 1))(i))
        c = L.Conv2D(5, 3, name="c2", activation="tanh")(c)
        return keras.Model(i, L.Dense(3, name="o", activation="softmax")(L.Flatten()(c)))
    case("conv", ("image", "shown"), IMAGE % ("softmax(o)", "cross_entropy(p, y)"), "adam(lr = 0.005)", lambda: O.Adam(.005), images, "sparse_categorical_crossentropy",
         head=CONV % ", init = glorot_uniform, bias_init = zeros")
    draw = [I.GlorotNormal, I.HeUniform, I.LecunNormal, lambda: I.TruncatedNormal(.1, .3), lambda: I.RandomNormal(.1, .2), lambda: I.RandomUniform(-.2, .3), lambda: I.Orthogonal(1.5)]
    for t, f in zip(INITIALISERS, draw):
        def free(f=f):
            i = keras.Input((8,))
            h = L.Dense(18, name="a", activation="tanh", use_bias=False, kernel_initializer=f())(i)
            h = L.Dense(5, name="b", activation="tanh", use_bias=False, kernel_initializer=f())(h)
            return keras.Model(i, L.Dense(3, name="o", use_bias=False, kernel_initializer=f())(h))
        case("init_" + word(t), ("x", "three"), FREE % (t, t, t), "sgd(lr = 0.05)", lambda: O.SGD(.05), free, "mse", head=FREE_LAYER, exact="ortho" not in t)
    def simple(name, text, make, **kw):
        case(name, ("x", "three"), kw.pop("body", THREE), text, make, kw.pop("net", three()), "mse", **kw)
    simple("opt_sgd", "sgd(lr = 0.05, momentum = 0.8, nesterov = true, weight_decay = 0.03)", lambda: O.SGD(.05, momentum=.8, nesterov=True, weight_decay=.03))
    simple("opt_adam", "adam(lr = 0.02, beta1 = 0.4, beta2 = 0.95, epsilon = 1e-4, amsgrad = true, weight_decay = 0.01)",
           lambda: O.Adam(.02, .4, .95, 1e-4, amsgrad=True, weight_decay=.01))
    simple("opt_adamw", "adamw(lr = 0.02, amsgrad = true)", lambda: O.AdamW(.02, amsgrad=True))
    simple("opt_adamax", "adamax(lr = 0.02, beta1 = 0.8, beta2 = 0.9, epsilon = 1e-4, weight_decay = 0.02)", lambda: O.Adamax(.02, .8, .9, 1e-4, weight_decay=.02))
    simple("opt_rmsprop", "rmsprop(lr = 0.005, rho = 0.8, momentum = 0.8, epsilon = 1e-5, centered = true, weight_decay = 0.01)",
           lambda: O.RMSprop(.005, .8, .8, 1e-5, True, weight_decay=.01))
    simple("opt_adagrad", "adagrad(lr = 0.05, initial = 0.2, epsilon = 1e-6, weight_decay = 0.01)", lambda: O.Adagrad(.05, .2, 1e-6, weight_decay=.01))
    simple("opt_adadelta", "adadelta(lr = 0.5, rho = 0.8, epsilon = 1e-5, weight_decay = 0.01)", lambda: O.Adadelta(.5, .8, 1e-5, weight_decay=.01))
    simple("opt_nadam", "nadam(lr = 0.01, beta1 = 0.8, beta2 = 0.95, epsilon = 1e-5, weight_decay = 0.01)", lambda: O.Nadam(.01, .8, .95, 1e-5, weight_decay=.01))
    simple("clip_norm", "sgd(lr = 0.1, weight_decay = 0.05)", lambda: O.SGD(.1, clipnorm=.1, weight_decay=.05), train="clip    norm = 0.1")
    simple("clip_global", "adam(lr = 0.01)", lambda: O.Adam(.01, global_clipnorm=.2), train="clip    global_norm = 0.2")
    simple("clip_value", "adam(lr = 0.01)", lambda: O.Adam(.01, clipvalue=.01), train="clip    value = 0.01")
    simple("rate_cosine", "adam(lr = cosine(0.02, steps = 30, warmup = 5, end = 0.001))", lambda: O.Adam(S.CosineDecay(0.0, 30, alpha=.05, warmup_target=.02, warmup_steps=5)))
    simple("rate_polynomial", "rmsprop(lr = polynomial(0.02, steps = 30, power = 2))", lambda: O.RMSprop(S.PolynomialDecay(.02, 30, 1e-4, 2.0)))
    simple("rate_exponential", "nadam(lr = exponential(0.02, rate = 0.9, steps = 3))", lambda: O.Nadam(S.ExponentialDecay(.02, 3, .9)))
    R2 = keras.regularizers
    simple("penalty", "adam(lr = 0.01)", adam, body=PENALTY, net=three(dict(kernel_regularizer=R2.L2(.01)), dict(kernel_regularizer=R2.L1(.001))))
    simple("batch_over", "adam(lr = 0.01)", adam, batch=128, epochs=30, seed=4000000000)
    simple("batch_one", "sgd(lr = 0.01)", lambda: O.SGD(.01), batch=1, epochs=1)

rows = {"tolerances.txt": ["# case, last step, relative tolerance of the loss up to it"], "weights.txt": ["# case, weight, FNV-1a of its bytes before the first step"]}
for name, c in CASES.items():
    if sys.argv[2:] and name not in sys.argv[2:]:
        continue
    first, losses = run(c)
    again = other(c)[1]
    with open(os.path.join(OUT, name + ".nn"), "w") as f:
        f.write(c["text"])
    with open(os.path.join(OUT, name + ".steps.csv"), "w") as f:
        f.write("step,loss\n" + "".join("%d,%.9g\n" % (i + 1, v) for i, v in enumerate(losses)))
    drift = np.maximum.accumulate(np.abs(losses - again) / np.abs(losses))
    rows["tolerances.txt"] += ["%s %d %.3g" % (name, s, max(1e-6, 10 * drift[s - 1])) for s in sorted({10, len(losses)}) if s <= len(losses)]
    rows["weights.txt"] += ["%s %s %s" % (name, k, fnv(v)) for k, v in sorted(first.items()) if c["exact"]]
    if WHICH == "keras":
        keras.backend.clear_session()
    print(name, "%.6g %.2g" % (losses[-1], drift[-1]), flush=True)
for file, lines in rows.items():
    with open(os.path.join(OUT, file), "w") as f:
        f.write("\n".join(lines) + "\n")
