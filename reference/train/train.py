#!/usr/bin/env python3
"""Trains the shipped model: a small GPT-2 that adds, `5+7=` -> `12<|endoftext|>`.

It makes its own sums: all 10,000 pairs of 0..99 + 0..99, and trains on all of them. What is claimed is that it answers
exactly these pairs; nothing is claimed about numbers that it has not seen. Prints the exact greedy accuracy over the
pairs, the smallest margin between the right token's logit and the next, and the accuracy after Q1_0.

usage: python3 reference/train/train.py [--steps 3000] [--out models/sums.gguf]      (Debian: python3-torch, python3-numpy,
libopenblas0-pthread; about 10 minutes on one core of a Zen 5)
"""

import argparse
import math
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

import gguf

N_EMBD, N_HEAD, N_LAYER, N_FF, N_CTX, N_VOCAB = 128, 4, 2, 512, 32, 257
END = 256  # <|endoftext|>


def byte_characters():
    """GPT-2's printable stand-ins for the bytes, in the order of its vocabulary: (byte, character)."""
    printable = list(range(ord("!"), ord("~") + 1)) + list(range(0xA1, 0xAC + 1)) + list(range(0xAE, 0xFF + 1))
    rest = [b for b in range(256) if b not in printable]
    return [(b, chr(b)) for b in printable] + [(b, chr(256 + i)) for i, b in enumerate(rest)]


BYTES = byte_characters()
TOKEN_OF = {chr(b): i for i, (b, _) in enumerate(BYTES)}


def all_sums():
    """Inputs, targets and the mask of the answer's tokens, one row for each pair."""
    width = len("99+99=198")
    inputs, targets, masks = [], [], []
    for a in range(100):
        for b in range(100):
            prompt = [TOKEN_OF[c] for c in f"{a}+{b}="]
            answer = [TOKEN_OF[c] for c in str(a + b)] + [END]
            text = prompt + answer
            pad = width - (len(text) - 1)
            inputs.append(text[:-1] + [END] * pad)
            targets.append(text[1:] + [END] * pad)
            masks.append([0] * (len(prompt) - 1) + [1] * len(answer) + [0] * pad)
    return torch.tensor(inputs), torch.tensor(targets), torch.tensor(masks, dtype=torch.float32)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.attn_norm = nn.LayerNorm(N_EMBD, eps=1e-5)
        self.attn_qkv = nn.Linear(N_EMBD, 3 * N_EMBD)
        self.attn_output = nn.Linear(N_EMBD, N_EMBD)
        self.ffn_norm = nn.LayerNorm(N_EMBD, eps=1e-5)
        self.ffn_up = nn.Linear(N_EMBD, N_FF)
        self.ffn_down = nn.Linear(N_FF, N_EMBD)
        residual = 0.02 / math.sqrt(2 * N_LAYER)  # GPT-2 scales what feeds the residual stream
        for linear, deviation in ((self.attn_qkv, 0.02), (self.ffn_up, 0.02), (self.attn_output, residual), (self.ffn_down, residual)):
            nn.init.normal_(linear.weight, std=deviation)
            nn.init.zeros_(linear.bias)

    def forward(self, x, mask):
        batch, length, _ = x.shape
        split = lambda t: t.view(batch, length, N_HEAD, N_EMBD // N_HEAD).transpose(1, 2)
        q, k, v = map(split, self.attn_qkv(self.attn_norm(x)).split(N_EMBD, -1))
        weights = (q @ k.transpose(-1, -2) / math.sqrt(N_EMBD // N_HEAD) + mask).softmax(-1)
        x = x + self.attn_output((weights @ v).transpose(1, 2).reshape(batch, length, N_EMBD))
        return x + self.ffn_down(F.gelu(self.ffn_up(self.ffn_norm(x)), approximate="tanh"))


class Gpt2(nn.Module):
    def __init__(self):
        super().__init__()
        self.token_embd = nn.Embedding(N_VOCAB, N_EMBD)
        self.position_embd = nn.Embedding(N_CTX, N_EMBD)
        self.blk = nn.ModuleList(Block() for _ in range(N_LAYER))
        self.output_norm = nn.LayerNorm(N_EMBD, eps=1e-5)
        nn.init.normal_(self.token_embd.weight, std=0.06)
        nn.init.normal_(self.position_embd.weight, std=0.02)

    def forward(self, tokens):
        length = tokens.shape[1]
        mask = torch.full((length, length), float("-inf")).triu(1)
        x = self.token_embd(tokens) + self.position_embd(torch.arange(length))
        for block in self.blk:
            x = block(x, mask)
        return self.output_norm(x) @ self.token_embd.weight.T


@torch.no_grad()
def evaluate(model, inputs, targets, masks):
    """(pairs that are right in every token, the smallest logit margin). Teacher forcing: greedy decoding of a pair is right
    exactly if every step is."""
    right, margin = 0, math.inf
    for begin in range(0, len(inputs), 2000):
        part = slice(begin, begin + 2000)
        logits = model(inputs[part])
        needed = masks[part] > 0
        right += ((logits.argmax(-1) == targets[part]) | ~needed).all(-1).sum().item()
        wanted = logits.gather(-1, targets[part, :, None])
        others = logits.scatter(-1, targets[part, :, None], -math.inf).max(-1).values
        margin = min(margin, (wanted[..., 0] - others)[needed].min().item())
    return right, margin


def round_to_q1_0(weights):
    """What Q1_0 keeps of a matrix: for each 128 weights of a row, the sign times the mean magnitude as fp16."""
    groups = weights.view(-1, 128)
    scale = groups.abs().mean(1, keepdim=True).half().float()
    return torch.where(groups >= 0, scale, -scale).view_as(weights)


def export(model, path):
    metadata = gguf.keys_of_model("gpt2", "sums", N_CTX, N_EMBD, N_FF, N_LAYER, N_HEAD) + [
        ("gpt2.attention.layer_norm_epsilon", gguf.FLOAT32, 1e-5),
        ("tokenizer.ggml.model", gguf.STRING, "gpt2"),
        ("tokenizer.ggml.pre", gguf.STRING, "gpt-2"),
        ("tokenizer.ggml.tokens", gguf.ARRAY, (gguf.STRING, [c for _, c in BYTES] + ["<|endoftext|>"])),
        ("tokenizer.ggml.token_type", gguf.ARRAY, (gguf.INT32, [1] * 256 + [3])),
        ("tokenizer.ggml.merges", gguf.ARRAY, (gguf.STRING, [])),
        ("tokenizer.ggml.bos_token_id", gguf.UINT32, END),
        ("tokenizer.ggml.eos_token_id", gguf.UINT32, END),
        ("tokenizer.ggml.add_bos_token", gguf.BOOL, False),
    ]
    tensors = [(name, value.detach().numpy()) for name, value in model.state_dict().items()]
    gguf.write(path, metadata, tensors)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--batch", type=int, default=384)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--out", default="models/sums.gguf")
    options = parser.parse_args()
    torch.manual_seed(1)
    torch.set_num_threads(1)  # the same sums in the same order
    data = inputs, targets, masks = all_sums()
    model = Gpt2()
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.98), weight_decay=0.05)
    begin = time.time()
    for step in range(options.steps):
        for group in optimizer.param_groups:
            cosine = 0.5 * (1 + math.cos(math.pi * step / options.steps))
            group["lr"] = options.rate * min(1, (step + 1) / 200) * (0.02 + 0.98 * cosine)
        pick = torch.randint(0, len(inputs), (options.batch,))
        losses = F.cross_entropy(model(inputs[pick]).flatten(0, 1), targets[pick].flatten(), reduction="none")
        loss = (losses * masks[pick].flatten()).sum() / masks[pick].sum()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 500 == 499:
            right, margin = evaluate(model, *data)
            print(f"step {step + 1}: loss {loss.item():.6f}, {right} of {len(inputs)} right, margin {margin:.2f}, {time.time() - begin:.0f} s", flush=True)
    export(model, options.out)
    for name, parameter in model.named_parameters():
        if name.startswith("blk.") and parameter.dim() == 2:
            parameter.data = round_to_q1_0(parameter.data)
    right, _ = evaluate(model, *data)
    print(f"with the blocks' matrices in Q1_0 (float activations): {right} of {len(inputs)} right")


if __name__ == "__main__":
    main()
