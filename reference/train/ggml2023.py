"""Writes a LLaMA as alpaca.cpp and KoAlpaca.cpp had it in March 2023: the container `ggml`, which has no version, with matrices in Q4_0."""

import struct

import numpy

F32, Q4_0 = 0, 2
N_MULT = 64  # ggml took blocks of 32 weights in twos: every row must have a multiple of 64
NAMES = {
    "token_embd": "tok_embeddings", "output_norm": "norm", "output": "output", "attn_q": "attention.wq",
    "attn_k": "attention.wk", "attn_v": "attention.wv", "attn_output": "attention.wo", "attn_norm": "attention_norm",
    "ffn_gate": "feed_forward.w1", "ffn_down": "feed_forward.w2", "ffn_up": "feed_forward.w3", "ffn_norm": "ffn_norm",
}  # fmt: skip


def old_name(name):
    """blk.0.attn_q.weight is layers.0.attention.wq.weight."""
    *block, part, weight = name.split(".")
    return ".".join((["layers", block[1]] if block else []) + [NAMES[part], weight])


def filled(name, array):
    """The layer between ffn_up and ffn_down as wide as N_MULT wants it: what is new is zero, and adds nothing."""
    more = lambda n: -n % N_MULT
    if "ffn_gate" in name or "ffn_up" in name:
        return numpy.pad(array, ((0, more(array.shape[0])), (0, 0)))
    if "ffn_down" in name:
        return numpy.pad(array, ((0, 0), (0, more(array.shape[1]))))
    return array


def q4_0(matrix):
    """For each 32 weights a float, the largest magnitude over 7, and 16 bytes: each the codes 1 to 15 of two neighbours, the first in the
    low bits."""
    groups = matrix.astype("<f4").reshape(-1, 32)
    scale = numpy.abs(groups).max(1, keepdims=True) / numpy.float32(7)
    ratio = numpy.divide(groups, scale, out=numpy.zeros_like(groups), where=scale > 0)
    codes = (numpy.copysign(numpy.floor(numpy.abs(ratio) + numpy.float32(0.5)), ratio) + 8).astype(numpy.uint8)
    nibbles = codes[:, 0::2] | codes[:, 1::2] << 4
    return numpy.concatenate([scale.view(numpy.uint8), nibbles], 1).tobytes()


def write(path, sizes, tokens, tensors):
    """sizes: (n_embd, n_mult, n_head, n_layer, n_rot); tokens: [bytes]; tensors: [(GGUF's name, float32 numpy array)]."""
    with open(path, "wb") as file:
        file.write(b"lmgg" + struct.pack("<7i", len(tokens), *sizes, Q4_0))
        for text in tokens:
            file.write(struct.pack("<i", len(text)) + text)
        for name, array in tensors:
            kind = Q4_0 if array.ndim == 2 else F32
            text = old_name(name).encode()
            file.write(struct.pack("<3i", array.ndim, len(text), kind))
            file.write(struct.pack(f"<{array.ndim}i", *array.shape[::-1]) + text)  # the innermost dimension first
            file.write(q4_0(array) if kind == Q4_0 else array.astype("<f4").tobytes())
