"""PyTorch, with its fused Adam and subnormal numbers flushed: eager, torch.compile of the model and its loss, or the whole step with
gradients and Adam as one compiled function."""
import torch
from torch import nn

import peers_common as common


def model(w):
    parts, last = [], len(w.layers) - 2
    for i, (weight, bias) in enumerate(common.initial(w)):
        layer = nn.Linear(*weight.shape)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(weight.T.copy()))
            layer.bias.copy_(torch.from_numpy(bias))
        parts.append(layer)
        if i < last and w.norm:
            parts.append(nn.BatchNorm1d(weight.shape[1], eps=1e-3, momentum=0.01))
        if i < last and w.hidden:
            parts.append(nn.ReLU())
        if i < last and w.norm:
            parts.append(nn.Dropout(0.5))
    return nn.Sequential(*parts)


def batches(w, x, y):
    """Forever: an epoch's order is drawn at once, as its DataLoader does."""
    while w.whole:
        yield x, y
    while True:
        order = torch.randperm(w.rows)
        for at in range(0, w.rows, w.batch):
            rows = order[at:at + w.batch]
            yield x[rows], y[rows]


def usual_step(w, net, loss, compiled):
    adam = torch.optim.Adam(net.parameters(), lr=common.RATE, betas=(0.9, w.beta2), eps=common.EPSILON, fused=True)

    def forward(x, y):
        return loss(net(x), y)

    if compiled:
        forward = torch.compile(forward, dynamic=False)

    def step(x, y):
        adam.zero_grad(set_to_none=True)
        forward(x, y).backward()
        adam.step()

    return step


def whole_step(w, net, loss):
    params = {k: v.detach().clone() for k, v in net.named_parameters()}
    state = {k: v.clone() for k, v in net.named_buffers()}
    m, v = ({k: torch.zeros_like(p) for k, p in params.items()} for _ in range(2))
    count = torch.zeros(())

    def value(params, state, x, y):
        return loss(torch.func.functional_call(net, (params, state), (x,)), y)

    gradients = torch.func.grad_and_value(value)

    @torch.no_grad()
    def step(params, m, v, state, count, x, y):
        g, _ = gradients(params, state, x, y)
        count.add_(1.0)
        first, second = common.RATE / (1 - 0.9 ** count), 1 - w.beta2 ** count
        for k in params:
            m[k].mul_(0.9).add_(g[k], alpha=0.1)
            v[k].mul_(w.beta2).add_(g[k] * g[k], alpha=1 - w.beta2)
            params[k].sub_(first * m[k] / ((v[k] / second).sqrt() + common.EPSILON))

    compiled = torch.compile(step, dynamic=False)
    return lambda x, y: compiled(params, m, v, state, count, x, y)


def main():
    mode, w, threads, _ = common.arguments()
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)
    torch.set_flush_denormal(True)
    torch.manual_seed(0)
    x, y = common.data(w)
    x, y = torch.from_numpy(x), torch.from_numpy(y).long() if w.classes else torch.from_numpy(y)
    net, loss = model(w), nn.CrossEntropyLoss() if w.classes else nn.MSELoss()
    step = whole_step(w, net, loss) if mode == "whole" else usual_step(w, net, loss, mode == "compile")
    order = batches(w, x, y)
    if w.rows % w.batch and mode != "eager":  # the last, smaller batch of an epoch is compiled before the clock runs
        rows = w.rows % w.batch
        step(x[:rows], y[:rows])

    def run(n):
        for _ in range(n):
            step(*next(order))

    common.serve(run)


main()
