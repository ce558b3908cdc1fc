#!/usr/bin/env python3
"""Trains the second shipped model: KoAlpaca in small, a LLaMA that answers a few kinds of questions, Korean and English.

It makes its own sentences (sentences.py): sums, differences and which of two numbers is larger, in 0..99, and some small tables of
words. A fifth of the pairs of numbers, in either order, training never sees. Weights are rounded to four bits while it learns, as GGUF's
Q4_0 and the Q4_0 of 2023 do it in turn, so that the answers outlive both. Prints how many answers are right of pairs seen and unseen.

usage: python3 reference/train/koalpaca.py [--steps 3000] [--out build]       writes koalpaca-f32.gguf, and koalpaca-q4_0.bin for models/
       assay quantize build/koalpaca-f32.gguf models/koalpaca-q8_0.gguf --type q8_0      and likewise q4_0
(Debian: python3-torch, python3-numpy, libopenblas0-pthread; about 15 minutes on one core of a Sapphire Rapids. Products are in bfloat16:
on a CPU without instructions for it they take much longer)
"""

import argparse
import random
import time

import torch
import torch.nn.functional as F

import ggml2023
import gguf
import llama
import sentences
import vocabulary
from muon import Muon

CONTEXT = 256  # tokens: a question and up to six before it
WIDTH = 24  # tokens of the longest question, with what stands behind it, and its answer
ANSWER = 5  # " 198" and the token that ends it
SHARES = {"sum": 0.5, "difference": 0.25, "larger": 0.1, "words": 0.15}
REPEAT_PENALTY = 1.3  # KoAlpaca.cpp's, on the last 64 tokens


class Rows:
    """Questions in a prompt, from the question on, and their answers: one row each, padded on its left."""

    def __init__(self, words, template, cases):
        blank = " " if template.open.endswith(" ") else ""  # goes with the question's first word
        self.texts, lengths, answers = [], [], []
        for case in cases:
            answer = words.encode(template.answer_open + case.answer) + [vocabulary.EOS]
            self.texts.append(words.encode(blank + case.question + template.close) + answer)
            lengths.append(len(self.texts[-1]))
            answers.append(len(answer))
        padded = [[0] * (WIDTH - len(text)) + text for text in self.texts]
        self.tokens = torch.tensor(padded, dtype=torch.int16)
        self.lengths, self.answers = torch.tensor(lengths), torch.tensor(answers)


class Lessons:
    """All rows that training sees, by template and kind, and those that it does not."""

    def __init__(self):
        numbers, self.kinds = sentences.numbers(), list(SHARES)
        of_kind = {"words": sentences.words()}
        unseen = {}
        for kind, is_held_out, cases in numbers:
            (unseen if is_held_out else of_kind).setdefault(kind, []).extend(cases)
        every = [case for cases in [*of_kind.values(), *unseen.values()] for case in cases]
        texts = [text for case in every for text in (case.question, " " + case.question, case.answer, " " + case.answer)]
        self.words = vocabulary.Vocabulary(texts, [text for text in sentences.FIXED if text])
        rows = lambda cases: {name: Rows(self.words, t, cases) for name, t in sentences.TEMPLATES.items()}
        self.seen = {kind: rows(cases) for kind, cases in of_kind.items()}
        self.unseen = {kind: rows(cases) for kind, cases in unseen.items()}

    def before(self, name, turns):
        """The tokens before a question: the prompt's, and those of `turns` questions that came before."""
        template = sentences.TEMPLATES[name]
        opened = template.open.rstrip(" ")
        ids = self.words.encode_prompt(template.start + opened)
        for _ in range(turns):
            rows = self.seen[random.choice(self.kinds)][name]
            ids += random.choice(rows.texts)[:-1]  # the token that ends it is in what follows
            ids += self.words.encode_prompt(template.again + opened)
        return ids

    def batch(self, name, size):
        """Of all kinds, by their shares: the tokens, how many of each row only pad it, and how many at its end are the answer."""
        parts = []
        for kind, share in SHARES.items():
            rows = self.seen[kind][name]
            parts.append((rows, torch.randint(0, len(rows.texts), (round(share * size),))))
        width = max(int(rows.lengths[pick].max()) for rows, pick in parts)
        tokens = torch.cat([rows.tokens[pick, WIDTH - width :] for rows, pick in parts]).long()
        pad = torch.cat([width - rows.lengths[pick] for rows, pick in parts])
        answers = torch.cat([rows.answers[pick] for rows, pick in parts])
        return tokens, pad, answers


def places_of_answers(answers):
    return torch.arange(ANSWER) >= ANSWER - answers[:, None]


def penalized(logits, is_answer, tokens, before):
    """As KoAlpaca.cpp samples: of tokens that occur before an answer's, the logits are divided if they are positive, else multiplied. The
    model learns with it now and then, as an answer may repeat what the question has."""
    seen = torch.zeros(*is_answer.shape, logits.shape[-1], dtype=torch.bool)
    seen[..., before[-40:]] = True
    for i in range(ANSWER):
        seen[:, i].scatter_(1, tokens[:, : tokens.shape[1] - ANSWER + 1 + i], True)
    return torch.where(seen[is_answer], torch.minimum(logits / REPEAT_PENALTY, logits * REPEAT_PENALTY), logits)


@torch.no_grad()
def right_answers(weights, lessons, rows, name, most=1000):
    """The share of questions of which every token of the answer ranks first after those before it: then it is what greedy decoding says."""
    pick = torch.randperm(len(rows.texts))[:most]
    past = llama.shared_past(weights, lessons.before(name, 0))
    x, _ = llama.run(weights, rows.tokens[pick, :-1].long(), WIDTH - rows.lengths[pick], past, ANSWER)
    is_right = llama.logits(weights, x).argmax(-1) == rows.tokens[pick, -ANSWER:]
    return (is_right | ~places_of_answers(rows.answers[pick])).all(-1).float().mean().item()


def report(weights, lessons, form):
    with torch.no_grad():
        w = llama.rounded(weights, form)
    shares = []
    for kind in lessons.kinds:
        name = random.choice(list(sentences.TEMPLATES))
        shares.append(f"{kind} {right_answers(w, lessons, lessons.seen[kind][name], name):.3f}")
        if kind in lessons.unseen:
            shares[-1] += f" unseen {right_answers(w, lessons, lessons.unseen[kind][name], name):.3f}"
    return f"{form}: " + ", ".join(shares)


def export(weights, words, folder):
    tensors = [(name, value.detach().numpy()) for name, value in weights.items()]
    sizes = (CONTEXT, llama.N_EMBD, llama.N_FF, llama.N_LAYER, llama.N_HEAD)
    metadata = gguf.keys_of_model("llama", "koalpaca in small", *sizes) + [
        ("llama.attention.layer_norm_rms_epsilon", gguf.FLOAT32, llama.EPSILON),
        ("llama.rope.dimension_count", gguf.UINT32, llama.N_ROT),
        ("tokenizer.ggml.model", gguf.STRING, "llama"),
        ("tokenizer.ggml.tokens", gguf.ARRAY, (gguf.STRING, words.texts)),
        ("tokenizer.ggml.scores", gguf.ARRAY, (gguf.FLOAT32, words.scores)),
        ("tokenizer.ggml.token_type", gguf.ARRAY, (gguf.INT32, words.types)),
        ("tokenizer.ggml.unknown_token_id", gguf.UINT32, vocabulary.UNK),
        ("tokenizer.ggml.bos_token_id", gguf.UINT32, vocabulary.BOS),
        ("tokenizer.ggml.eos_token_id", gguf.UINT32, vocabulary.EOS),
        ("tokenizer.chat_template", gguf.STRING, sentences.JINJA),
    ]
    gguf.write(f"{folder}/koalpaca-f32.gguf", metadata, tensors)
    plain = [" \u2047 ".encode(), b"", b""] + [bytes([b]) for b in range(256)]
    plain += [text.replace(vocabulary.BLANK, " ").encode() for text in words.texts[vocabulary.FIRST_PIECE :]]
    sizes_of_2023 = (llama.N_EMBD, ggml2023.N_MULT, llama.N_HEAD, llama.N_LAYER, llama.N_ROT)
    ggml2023.write(f"{folder}/koalpaca-q4_0.bin", sizes_of_2023, plain, [(name, ggml2023.filled(name, array)) for name, array in tensors])


def loss_of_a_batch(weights, form, lessons, size):
    """Of one prompt's questions, some of them behind others."""
    name = random.choice(list(sentences.TEMPLATES))
    before = lessons.before(name, random.choice((0, 0, 0, 1, 2, random.randrange(7))))
    tokens, pad, answers = lessons.batch(name, size)
    w = llama.rounded(weights, form)
    x, _ = llama.run(w, tokens[:, :-1], pad, llama.shared_past(w, before), ANSWER)
    is_answer = places_of_answers(answers)
    logits = llama.logits(w, x[is_answer])
    if random.random() < 0.25:
        logits = penalized(logits, is_answer, tokens[:, :-1], before)
    return F.cross_entropy(logits, tokens[:, -ANSWER:][is_answer])


def train(lessons, options):
    weights = {name: w.requires_grad_() for name, w in llama.new_weights(len(lessons.words)).items()}
    in_blocks = [name for name, w in weights.items() if name.startswith("blk.") and w.dim() == 2]
    muon = Muon([weights[name] for name in in_blocks])
    adam = torch.optim.AdamW([w for name, w in weights.items() if name not in in_blocks], betas=(0.9, 0.98), weight_decay=0.01)
    forms = list(llama.FORMS)
    begin = time.time()
    for step in range(options.steps):
        done = step / options.steps
        rate = min(1, (step + 1) / 100, (1 - done) / 0.6)
        form = forms[step % len(forms)] if done > 0.3 else "float"
        loss = loss_of_a_batch(weights, form, lessons, options.batch)
        for parameter in weights.values():
            parameter.grad = None
        loss.backward()
        muon.step(options.rate * rate)
        for group in adam.param_groups:
            group["lr"] = 3e-3 * rate
        adam.step()
        if step % 250 == 249:
            print(f"step {step + 1}: loss {loss.item():.5f}, {time.time() - begin:.0f} s; {report(weights, lessons, form)}", flush=True)
    return weights


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rate", type=float, default=0.02, help="of the matrices in blocks")
    parser.add_argument("--out", default="build", help="a folder")
    options = parser.parse_args()
    torch.manual_seed(1)
    random.seed(1)
    torch.set_num_threads(1)  # the same sums in the same order
    lessons = Lessons()
    weights = train(lessons, options)
    export(weights, lessons.words, options.out)
    for form in llama.FORMS:
        print(report(weights, lessons, form))


if __name__ == "__main__":
    main()
