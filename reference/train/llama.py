"""LLaMA as a function of its weights, a dict with GGUF's names, and of weights rounded to four bits."""

import torch
import torch.nn.functional as F

N_EMBD, N_HEAD, N_LAYER, N_MULT = 128, 4, 3, 32
N_FF = (8 * N_EMBD // 3 + N_MULT - 1) // N_MULT * N_MULT  # LLaMA's rule
N_ROT = N_EMBD // N_HEAD
EPSILON = 1e-5  # alpaca.cpp's and KoAlpaca.cpp's
MATRICES = {
    "attn_q": (N_EMBD, N_EMBD), "attn_k": (N_EMBD, N_EMBD), "attn_v": (N_EMBD, N_EMBD), "attn_output": (N_EMBD, N_EMBD),
    "ffn_gate": (N_FF, N_EMBD), "ffn_up": (N_FF, N_EMBD), "ffn_down": (N_EMBD, N_FF),
}  # fmt: skip


def new_weights(n_vocab):
    normal = lambda rows, cols, deviation: torch.randn(rows, cols) * deviation
    weights = {"token_embd.weight": normal(n_vocab, N_EMBD, 0.3)}
    for i in range(N_LAYER):
        for name, (rows, cols) in MATRICES.items():
            # What feeds the residual stream begins small.
            weights[f"blk.{i}.{name}.weight"] = normal(rows, cols, (0.1 if name in ("attn_output", "ffn_down") else 1) / cols**0.5)
        for name in ("attn_norm", "ffn_norm"):
            weights[f"blk.{i}.{name}.weight"] = torch.ones(N_EMBD)
    weights["output_norm.weight"] = torch.ones(N_EMBD)
    weights["output.weight"] = normal(n_vocab, N_EMBD, 0.02)
    return weights


def q4_0_of_gguf(weights):
    """What Q4_0 keeps by ggml's rule since April 2023: the largest magnitude of 32 becomes code -8."""
    groups = weights.view(-1, 32)
    scale = groups.gather(1, groups.abs().argmax(1, keepdim=True)) / -8
    codes = (groups / scale + 8.5).floor().clamp(0, 15) - 8
    return (codes * scale.half().float()).nan_to_num().view_as(weights)


def q4_0_of_2023(weights):
    """And before: it becomes 7 or -7."""
    groups = weights.view(-1, 32)
    scale = groups.abs().amax(1, keepdim=True) / 7
    return ((groups / scale).round() * scale).nan_to_num().view_as(weights)


# The forms in which the model is shipped. Of Q8_0 training knows nothing: it is close enough. `assay quantize` gives the output of
# Q4_0 eight bits, as its rows are no whole blocks of Q6_K.
FORMS = {
    "float": lambda name, w: w,
    "q4_0": lambda name, w: w if name == "output.weight" else q4_0_of_gguf(w),
    "q4_0 of 2023": lambda name, w: q4_0_of_2023(w),
}


def rounded(weights, form):
    """The matrices in that form, as bfloat16 for fast products; the gradient passes as if they had not been rounded."""
    keep = FORMS[form]
    straight = lambda name, w: (w + (keep(name, w.detach()) - w.detach())).bfloat16()
    return {name: straight(name, w) if w.dim() == 2 else w for name, w in weights.items()}


def norm(x, weight):
    return (x * (x.square().mean(-1, keepdim=True) + EPSILON).rsqrt() * weight).bfloat16()


def rotations(positions):
    """Of each pair of neighbours in a head, as complex numbers: [..., N_ROT / 2] for positions [...]."""
    frequencies = 10000.0 ** (-torch.arange(0, N_ROT, 2) / N_ROT)
    angles = positions[..., None] * frequencies
    return torch.polar(torch.ones_like(angles), angles)


def rotate(x, rotation):
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * rotation).flatten(-2).bfloat16()


def attention(w, name, x, rotation, mask, past, tail):
    """past: keys and values that all rows have before them, or None. Returns what the last `tail` places get, and the keys and values."""
    heads = lambda t: t.unflatten(-1, (N_HEAD, N_ROT)).permute(2, 0, 1, 3)  # [head, row, place, N_ROT]
    h = norm(x, w[name + "attn_norm.weight"])
    q = rotate(heads(F.linear(h[:, -tail:], w[name + "attn_q.weight"])), rotation[:, -tail:])
    k = rotate(heads(F.linear(h, w[name + "attn_k.weight"])), rotation)
    v = heads(F.linear(h, w[name + "attn_v.weight"]))
    scores = (q @ k.transpose(-1, -2)).float() / N_ROT**0.5 + mask[:, -tail:]
    if past is None:
        mixed = scores.softmax(-1).bfloat16() @ v
    else:
        # The past is one for all rows: their queries are one matrix.
        past_k, past_v = past
        before = (q.flatten(1, 2) @ past_k.transpose(-1, -2)).float() / N_ROT**0.5
        both = torch.cat([before.view(*scores.shape[:-1], -1), scores], -1).softmax(-1).bfloat16()
        n = past_k.shape[1]
        mixed = both[..., n:] @ v + (both[..., :n].flatten(1, 2) @ past_v).view(*q.shape)
    mixed = mixed.permute(1, 2, 0, 3).flatten(2)
    return F.linear(mixed, w[name + "attn_output.weight"]), (k, v)


def run(w, tokens, pad, past, tail):
    """The last `tail` places of rows of tokens, of which the first pad[row] do not count: [rows, tail, N_EMBD], and keys and values of each
    layer. past: those of a text that stands before every row, or None."""
    length = tokens.shape[1]
    begin = 0 if past is None else past[0][0].shape[1]
    places = torch.arange(length)
    rotation = rotations((begin + places - pad[:, None]).clamp(min=0))
    # No place sees what follows it, nor what pads a row. A place that pads one sees itself, so that it is a number.
    seen = (places[:, None] >= places) & (places >= pad[:, None, None]) | torch.eye(length, dtype=torch.bool)
    mask = torch.zeros(seen.shape).masked_fill(~seen, -torch.inf)
    x = F.embedding(tokens, w["token_embd.weight"]).float()
    cache = []
    for i in range(N_LAYER):
        name = f"blk.{i}."
        wanted = tail if i == N_LAYER - 1 else length
        added, kept = attention(w, name, x, rotation, mask, past and past[i], wanted)
        x = x[:, -wanted:] + added
        h = norm(x, w[name + "ffn_norm.weight"])
        gated = F.silu(F.linear(h, w[name + "ffn_gate.weight"])) * F.linear(h, w[name + "ffn_up.weight"])
        x = x + F.linear(gated, w[name + "ffn_down.weight"])
        cache.append(kept)
    return x, cache


def shared_past(w, tokens):
    """Of a text that stands before every row."""
    _, cache = run(w, torch.tensor([tokens]), torch.zeros(1, dtype=torch.int64), None, 1)
    return [(k[:, 0], v[:, 0]) for k, v in cache]


def logits(w, x):
    return F.linear(norm(x, w["output_norm.weight"]), w["output.weight"]).float()
