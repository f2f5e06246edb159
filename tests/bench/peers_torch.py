"""PyTorch: eager, or torch.compile of the whole model; both with its fused Adam and subnormal numbers flushed."""
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


def main():
    mode, w, threads, seconds = common.arguments()
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(0)
    x, y = common.data(w)
    x, y = torch.from_numpy(x), torch.from_numpy(y).long() if w.classes else torch.from_numpy(y)
    net = model(w)
    loss = nn.CrossEntropyLoss() if w.classes else nn.MSELoss()
    adam = torch.optim.Adam(net.parameters(), lr=common.RATE, betas=(0.9, w.beta2), eps=common.EPSILON, fused=True)

    def forward(x, y):
        return loss(net(x), y)

    if mode == "compile":
        forward = torch.compile(forward)
    order = common.Order(w)

    def run(n):
        for _ in range(n):
            bx, by = x, y
            if not w.whole:
                rows = torch.from_numpy(order.take(w.batch)).long()
                bx, by = x[rows], y[rows]
            adam.zero_grad(set_to_none=True)
            forward(bx, by).backward()
            adam.step()

    common.measure(run, seconds)


main()
