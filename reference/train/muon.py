"""Keller Jordan's optimizer (https://kellerjordan.github.io/posts/muon/): the momentum, made orthogonal by Newton and Schulz's iteration."""

import torch


class Muon:
    """Of matrices; all of one shape are worked on at once."""

    def __init__(self, matrices, momentum=0.95, decay=0.1):
        self.momentum, self.decay = momentum, decay
        shapes = {}
        for matrix in matrices:
            shapes.setdefault(matrix.shape, []).append(matrix)
        self.groups = [(same, torch.zeros(len(same), *shape)) for shape, same in shapes.items()]

    @staticmethod
    def orthogonal(m):
        x = m.transpose(-1, -2) if m.shape[-2] > m.shape[-1] else m
        x = (x / (x.flatten(1).norm(dim=1)[:, None, None] + 1e-7)).bfloat16()
        for _ in range(5):
            square = x @ x.transpose(-1, -2)
            x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
        x = x.float()
        return x.transpose(-1, -2) if m.shape[-2] > m.shape[-1] else x

    @torch.no_grad()
    def step(self, rate):
        for same, average in self.groups:
            gradient = torch.stack([matrix.grad for matrix in same])
            average.lerp_(gradient, 1 - self.momentum)
            change = self.orthogonal(gradient.lerp(average, self.momentum))
            rows, cols = same[0].shape
            for matrix, to in zip(same, change):
                matrix.mul_(1 - rate * self.decay).sub_(to, alpha=rate * max(1, rows / cols) ** 0.5)
