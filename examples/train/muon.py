"""Muon (Jordan and others, 2024): momentum whose step is made orthogonal. In float32; PyTorch's own works in bfloat16, slow on most CPUs."""

import torch

# Coefficients of the quintic iteration that drives all singular values of a matrix towards one.
A, B, C = 3.4445, -4.7750, 2.0315


def orthogonal(batch, rounds=5):
    """About U V^T for each matrix U S V^T of batch [n, rows, columns]."""
    x = batch if batch.shape[1] <= batch.shape[2] else batch.transpose(1, 2)
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(rounds):
        square = x @ x.transpose(1, 2)
        x = A * x + (B * square + C * square @ square) @ x
    return x if batch.shape[1] <= batch.shape[2] else x.transpose(1, 2)


class Muon(torch.optim.Optimizer):
    def __init__(self, matrices, lr, momentum=0.95, weight_decay=0.0):
        super().__init__(matrices, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            by_shape = {}
            for p in group["params"]:
                by_shape.setdefault(p.shape, []).append(p)
            for shape, params in by_shape.items():
                self._step_together(params, group, max(1.0, shape[0] / shape[1]) ** 0.5)

    def _step_together(self, params, group, scale):
        """Steps matrices of one shape as one batch."""
        moved = []
        for p in params:
            mean = self.state[p].setdefault("mean", torch.zeros_like(p))
            mean.lerp_(p.grad, 1 - group["momentum"])
            moved.append(p.grad.lerp(mean, group["momentum"]))
        for p, direction in zip(params, orthogonal(torch.stack(moved))):
            p.mul_(1 - group["lr"] * group["weight_decay"]).sub_(direction, alpha=group["lr"] * scale)
