#!/usr/bin/env python3
"""Makes torch.txt: what PyTorch, in double precision, says of the operations that reference/ also implements.

An independent implementation: the reference is held against it (reference/torch_test.cpp), the kernels against the reference.
Each line of the file: a name, a count, and that many numbers in hexadecimal, exact.

usage: python3 reference/testdata/make.py > reference/testdata/torch.txt      (Debian: python3-torch)
"""

import math
import re

import torch
import torch.nn.functional as F

torch.manual_seed(20260101)
torch.set_default_dtype(torch.float64)

TOKENS, EPS = 7, 1e-5


def put(name, tensor):
    values = tensor.flatten().tolist()
    print(name, len(values), *(re.sub(r"\.?0*p", "p", float(v).hex()) for v in values))


def exact(tensor):
    """As floats have it, since files and the reference kernels have floats."""
    return tensor.float().double()


def random(*shape):
    return exact(torch.randn(*shape))


class Block:
    """One transformer block of an architecture, written from its papers and from the modules of Hugging Face's transformers. What it is
    made of is named as GGUF files name it."""

    def __init__(self, name, rms, n_embd=12, heads=3, heads_kv=3, size=4, ff=12, rotated=0, window=0, parallel=False, softcap=0, base=10000.0):
        self.name, self.rms, self.n, self.heads, self.heads_kv, self.size, self.ff = name, rms, n_embd, heads, heads_kv, size, ff
        self.rotated, self.window, self.parallel, self.softcap, self.base = rotated or size, window, parallel, softcap, base
        self.frequencies, self.magnitude = self.base ** (-torch.arange(0, self.rotated, 2).double() / self.rotated), 1.0
        put(name + ".sizes", torch.tensor([n_embd, heads, heads_kv, size, ff, rotated, window, parallel, softcap, base, EPS]))

    def tensor(self, name, value):
        put(f"{self.name}.{name}", value)
        return value

    def norm(self, name, x):
        """Over the last dimension."""
        width = x.shape[-1]
        w = self.tensor(name + ".weight", exact(1 + 0.3 * random(width)))
        if self.rms:
            return w * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + EPS))
        return F.layer_norm(x, (width,), w, self.tensor(name + ".bias", exact(0.3 * random(width))), EPS)

    def linear(self, name, x, rows, bias=None, scale=None):
        w = self.tensor(name + ".weight", exact(random(rows, x.shape[-1]) / x.shape[-1] ** 0.5))
        b = self.tensor(name + ".bias", random(rows)) if (not self.rms if bias is None else bias) else None
        if scale is not None:
            w = w * self.tensor(name + ".scale", torch.tensor([scale]))
        return F.linear(x, w, b)

    def split(self, x, count):
        """[heads, tokens, size]"""
        return x.view(TOKENS, count, self.size).transpose(0, 1)

    def turn(self, x, halves):
        """Rotary embedding by complex numbers: pair i of position p is multiplied with e^(i p frequency), and what turns with the magnitude."""
        r = self.rotated
        turned, rest = x[..., :r], x[..., r:]
        pairs = torch.stack(turned.chunk(2, -1), -1) if halves else turned.unflatten(-1, (r // 2, 2))
        angles = torch.outer(torch.arange(TOKENS).double(), self.frequencies)
        z = torch.view_as_complex(pairs.contiguous()) * torch.polar(torch.full_like(angles, self.magnitude), angles)
        z = torch.view_as_real(z)
        turned = z.transpose(-1, -2).flatten(-2) if halves else z.flatten(-2)
        return torch.cat([turned, rest], -1)

    def stretch(self, factor, first_context, often=32.0, seldom=1.0):
        """YaRN, as Hugging Face's modeling_rope_utils.py has it: what turns often is kept, what turns seldom is interpolated."""
        bounds = [self.rotated * math.log(first_context / (turns * 2 * math.pi)) / (2 * math.log(self.base)) for turns in (often, seldom)]
        low, high = max(math.floor(bounds[0]), 0), min(math.ceil(bounds[1]), self.rotated - 1)
        ramp = ((torch.arange(self.rotated // 2).double() - low) / (high - low)).clamp(0, 1)
        self.frequencies = self.frequencies / factor * ramp + self.frequencies * (1 - ramp)
        self.magnitude = 0.1 * math.log(factor) + 1
        put(self.name + ".rope", torch.tensor([factor, 1.0, often, seldom, first_context, self.magnitude]))

    def divide(self, factors, magnitude):
        """LongRoPE for a context that is short."""
        self.frequencies = self.frequencies / self.tensor("rope_factors_short.weight", exact(factors))
        self.magnitude = magnitude
        put(self.name + ".rope", torch.tensor([1.0, 0.0, 1.0, 1.0, 0.0, magnitude]))

    def attend(self, q, k, v):
        k, v = (t.repeat_interleave(self.heads // self.heads_kv, 0) for t in (k, v))
        scores = q @ k.transpose(-1, -2) / self.size ** 0.5
        if self.softcap:
            scores = self.softcap * torch.tanh(scores / self.softcap)
        seen = torch.ones(TOKENS, TOKENS).tril()
        if self.window:
            seen = seen.triu(1 - self.window)
        scores = scores.masked_fill(seen == 0, float("-inf"))
        return (scores.softmax(-1) @ v).transpose(0, 1).reshape(TOKENS, self.heads * self.size)

    def fused(self, x):
        kept = self.heads_kv * self.size
        wide = self.heads * self.size
        return self.linear("attn_qkv", x, wide + 2 * kept).split([wide, kept, kept], -1)

    def parts(self, x, bias=False, scale=None):
        kept = self.heads_kv * self.size
        return (self.linear(name, x, rows, bias, scale) for name, rows in (("attn_q", self.heads * self.size), ("attn_k", kept), ("attn_v", kept)))


def gpt2():
    b = Block("gpt2", rms=False)
    x = b.tensor("x", random(TOKENS, b.n))
    q, k, v = (b.split(t, b.heads) for t in b.fused(b.norm("attn_norm", x)))
    x = x + b.linear("attn_output", b.attend(q, k, v), b.n)
    hidden = F.gelu(b.linear("ffn_up", b.norm("ffn_norm", x), b.ff), approximate="tanh")
    b.tensor("y", x + b.linear("ffn_down", hidden, b.n))


def gptneox(name, parallel):
    b = Block(name, rms=False, n_embd=16, heads=2, heads_kv=2, size=8, rotated=4, parallel=parallel)
    x = b.tensor("x", random(TOKENS, b.n))
    q, k, v = (b.split(t, b.heads) for t in b.fused(b.norm("attn_norm", x)))
    attended = b.linear("attn_output", b.attend(b.turn(q, True), b.turn(k, True), v), b.n)
    a = x + attended
    hidden = F.gelu(b.linear("ffn_up", b.norm("ffn_norm", x if parallel else a), b.ff))
    b.tensor("y", a + b.linear("ffn_down", hidden, b.n))


def llama(name, halves, bias=False, head_norms=False, yarn=None, **sizes):
    b = Block(name, rms=True, **sizes)
    if yarn:
        b.stretch(*yarn)
    x = b.tensor("x", random(TOKENS, b.n))
    q, k, v = b.parts(b.norm("attn_norm", x), bias)
    q, k, v = b.split(q, b.heads), b.split(k, b.heads_kv), b.split(v, b.heads_kv)
    if head_norms:
        q, k = b.norm("attn_q_norm", q), b.norm("attn_k_norm", k)
    x = x + b.linear("attn_output", b.attend(b.turn(q, halves), b.turn(k, halves), v), b.n)
    h = b.norm("ffn_norm", x)
    hidden = F.silu(b.linear("ffn_gate", h, b.ff)) * b.linear("ffn_up", h, b.ff)
    b.tensor("y", x + b.linear("ffn_down", hidden, b.n))


def bitnet(name, squares, scale):
    b = Block(name, rms=True, n_embd=16, heads=4, heads_kv=2, size=4, base=500000.0)
    x = b.tensor("x", random(TOKENS, b.n))
    q, k, v = b.parts(b.norm("attn_norm", x), scale=scale)
    q, k, v = b.split(q, b.heads), b.split(k, b.heads_kv), b.split(v, b.heads_kv)
    attended = b.norm("attn_sub_norm", b.attend(b.turn(q, True), b.turn(k, True), v))
    x = x + b.linear("attn_output", attended, b.n, scale=scale)
    h = b.norm("ffn_norm", x)
    gate = b.linear("ffn_gate", h, b.ff, scale=scale)
    hidden = (F.relu(gate) ** 2 if squares else F.silu(gate)) * b.linear("ffn_up", h, b.ff, scale=scale)
    b.tensor("y", x + b.linear("ffn_down", b.norm("ffn_sub_norm", hidden), b.n, scale=scale))


def gemma(name, head_norms=False, softcap=0.0):
    b = Block(name, rms=True, n_embd=12, heads=4, heads_kv=2, size=8, window=3, softcap=softcap)
    x = b.tensor("x", random(TOKENS, b.n))
    q, k, v = b.parts(b.norm("attn_norm", x))
    q, k, v = b.split(q, b.heads), b.split(k, b.heads_kv), b.split(v, b.heads_kv)
    if head_norms:
        q, k = b.norm("attn_q_norm", q), b.norm("attn_k_norm", k)
    attended = b.linear("attn_output", b.attend(b.turn(q, True), b.turn(k, True), v), b.n)
    x = x + b.norm("post_attention_norm", attended)
    h = b.norm("ffn_norm", x)
    hidden = F.gelu(b.linear("ffn_gate", h, b.ff), approximate="tanh") * b.linear("ffn_up", h, b.ff)
    b.tensor("y", x + b.norm("post_ffw_norm", b.linear("ffn_down", hidden, b.n)))


def phi3():
    b = Block("phi3", rms=True, n_embd=16, heads=4, heads_kv=2, size=8, rotated=6, window=4)
    b.divide(torch.tensor([1.25, 2.0, 5.0]), 1.19)
    x = b.tensor("x", random(TOKENS, b.n))
    q, k, v = b.fused(b.norm("attn_norm", x))
    q, k, v = b.split(q, b.heads), b.split(k, b.heads_kv), b.split(v, b.heads_kv)
    x = x + b.linear("attn_output", b.attend(b.turn(q, True), b.turn(k, True), v), b.n)
    gate, up = b.linear("ffn_up", b.norm("ffn_norm", x), 2 * b.ff).chunk(2, -1)
    b.tensor("y", x + b.linear("ffn_down", up * F.silu(gate), b.n))


def blocks():
    gpt2()
    llama("llama", halves=False, n_embd=16, heads=4, heads_kv=2, size=4)
    llama("qwen2", halves=True, bias=True, n_embd=16, heads=4, heads_kv=1, size=4, base=1e6)
    llama("qwen3", halves=True, head_norms=True, n_embd=12, heads=4, heads_kv=2, size=8, base=1e6)
    gptneox("gptneox", False)
    gptneox("gptneox/parallel", True)
    bitnet("bitnet", False, 0.75)
    bitnet("bitnet-b1.58", True, 1.5)
    gemma("gemma2", softcap=2.0)


def later_blocks():
    """Behind the kernels, whose numbers stay what they were."""
    gemma("gemma3", head_norms=True)
    phi3()
    llama("llama/yarn", halves=False, n_embd=16, heads=2, heads_kv=1, size=16, yarn=(8.0, 1024.0))


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


blocks()
kernels()
later_blocks()
