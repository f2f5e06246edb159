"""JAX: lax.scan over steps in one compiled call, with donated state."""
import os

if os.environ.get("NPROC") == "1":
    os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_cpu_multi_thread_eigen=false"
import jax
import jax.numpy as jnp

import peers_common as common


def normalized(p, running, x):
    mean, variance = x.mean(0), x.var(0)
    running = (0.99 * running[0] + 0.01 * mean, 0.99 * running[1] + 0.01 * variance)
    return (x - mean) * jax.lax.rsqrt(variance + 1e-3) * p[0] + p[1], running


def forward(w, params, running, x, key):
    new = []
    for i, (weight, bias) in enumerate(params["dense"]):
        x = x @ weight + bias
        if i == len(params["dense"]) - 1:
            break
        if w.norm:
            x, r = normalized(params["norm"][i], running[i], x)
            new.append(r)
        if w.hidden:
            x = jax.nn.relu(x)
        if w.norm:
            key, drawn = jax.random.split(key)
            x = jnp.where(jax.random.bernoulli(drawn, 0.5, x.shape), 2 * x, 0)
    return x, new


def loss(params, w, running, x, y, key):
    z, running = forward(w, params, running, x, key)
    if not w.classes:
        return jnp.square(z - y).mean(), running
    return -jnp.take_along_axis(jax.nn.log_softmax(z), y[:, None], 1).mean(), running


def adam(w, params, m, v, t, g):
    tree = jax.tree_util.tree_map
    t = t + 1
    m = tree(lambda m, g: 0.9 * m + 0.1 * g, m, g)
    v = tree(lambda v, g: w.beta2 * v + (1 - w.beta2) * g * g, v, g)
    first, second = common.RATE / (1 - 0.9 ** t), 1 - w.beta2 ** t
    return tree(lambda p, m, v: p - first * m / (jnp.sqrt(v / second) + common.EPSILON), params, m, v), m, v, t


def main():
    _, w, _, steps = common.arguments()
    x, y = (jnp.asarray(v) for v in common.data(w))
    params = {"dense": [tuple(map(jnp.asarray, pair)) for pair in common.initial(w)]}
    sizes = w.layers[1:-1]
    params["norm"] = [(jnp.ones(n), jnp.zeros(n)) for n in sizes] if w.norm else []
    running = [(jnp.zeros(n), jnp.ones(n)) for n in sizes] if w.norm else []
    zeros = jax.tree_util.tree_map(jnp.zeros_like, params)
    state = (params, zeros, jax.tree_util.tree_map(jnp.zeros_like, params), jnp.zeros(()), running, jax.random.PRNGKey(0))

    def step(state, rows, x, y):
        params, m, v, t, running, key = state
        key, drawn = jax.random.split(key) if w.norm else (key, key)
        bx, by = (x, y) if w.whole else (x[rows], y[rows])
        (_, running), g = jax.value_and_grad(loss, has_aux=True)(params, w, running, bx, by, drawn)
        return (*adam(w, params, m, v, t, g), running, key)

    def many(state, rows, x, y):
        return jax.lax.scan(lambda s, r: (step(s, r, x, y), None), state, rows, length=steps)[0]

    many = jax.jit(many, donate_argnums=0)
    order, box = common.Order(w), [state]

    def run(n):
        for _ in range(n // steps):
            rows = None if w.whole else order.take(steps * w.batch).reshape(steps, w.batch)
            box[0] = many(box[0], rows, x, y)
        jax.block_until_ready(box[0])

    common.serve(run, steps)


main()
