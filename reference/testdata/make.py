#!/usr/bin/env python3
"""Makes torch.txt: what PyTorch, in double precision, says of the operations that reference/ also implements.

An independent implementation: the reference is held against it (reference/torch_test.cpp), the kernels against the reference.
Each line of the file: a name, a count, and that many numbers in hexadecimal, exact.

usage: python3 reference/testdata/make.py > reference/testdata/torch.txt      (Debian: python3-torch)
"""

import torch
import torch.nn.functional as F

torch.manual_seed(20260101)
torch.set_default_dtype(torch.float64)

N_EMBD, N_HEAD, N_FF, TOKENS, EPS = 12, 3, 20, 7, 1e-5


def put(name, tensor):
    values = tensor.flatten().tolist()
    print(name, len(values), *(float(v).hex() for v in values))


def random(*shape):
    """Exact as floats, since the reference kernels take floats."""
    return torch.randn(*shape).float().double()


def block():
    w = {
        "ln1.w": 1 + 0.3 * random(N_EMBD), "ln1.b": 0.3 * random(N_EMBD), "ln2.w": 1 + 0.3 * random(N_EMBD), "ln2.b": 0.3 * random(N_EMBD),
        "qkv.w": random(3 * N_EMBD, N_EMBD), "qkv.b": random(3 * N_EMBD), "proj.w": random(N_EMBD, N_EMBD), "proj.b": random(N_EMBD),
        "up.w": random(N_FF, N_EMBD), "up.b": random(N_FF), "down.w": random(N_EMBD, N_FF), "down.b": random(N_EMBD),
    }
    x = random(TOKENS, N_EMBD)
    for name, tensor in w.items():
        put("block." + name, tensor)
    put("block.x", x)

    def heads(t):
        return t.view(TOKENS, N_HEAD, N_EMBD // N_HEAD).transpose(0, 1)

    q, k, v = (heads(t) for t in F.linear(F.layer_norm(x, (N_EMBD,), w["ln1.w"], w["ln1.b"], EPS), w["qkv.w"], w["qkv.b"]).split(N_EMBD, -1))
    attended = F.scaled_dot_product_attention(q, k, v, is_causal=True) if hasattr(F, "scaled_dot_product_attention") else (
        (q @ k.transpose(-1, -2) / (N_EMBD // N_HEAD) ** 0.5 + torch.full((TOKENS, TOKENS), float("-inf")).triu(1)).softmax(-1) @ v)
    x = x + F.linear(attended.transpose(0, 1).reshape(TOKENS, N_EMBD), w["proj.w"], w["proj.b"])
    hidden = F.gelu(F.linear(F.layer_norm(x, (N_EMBD,), w["ln2.w"], w["ln2.b"], EPS), w["up.w"], w["up.b"]), approximate="tanh")
    put("block.y", x + F.linear(hidden, w["down.w"], w["down.b"]))


def kernels():
    x = random(33)
    put("x", x)
    put("exp", x.exp())
    put("gelu", F.gelu(4 * x, approximate="tanh"))
    put("softmax", (2.5 * x).softmax(0))
    w, b = random(33), random(33)
    put("w", w)
    put("b", b)
    put("layer_norm", F.layer_norm(x, (33,), w, b, EPS))
    put("rms_norm", x / (x.pow(2).mean() + EPS).sqrt() * w)
    put("dot", torch.dot(x, w).reshape(1))


block()
kernels()
