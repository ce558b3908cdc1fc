"""A vocabulary like that of LLaMA: SentencePiece's byte-pair encoding, digits alone, and bytes for what has no piece."""

import functools
import re
from collections import Counter

BLANK = "\u2581"
UNK, BOS, EOS, FIRST_BYTE, FIRST_PIECE = 0, 1, 2, 3, 259
NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6  # GGUF's types of tokens


def words_of(text):
    """Its words, each with the blank before it. Digits and newlines belong to none."""
    return re.findall(f"{BLANK}?[^{BLANK}0-9\n]+", text.replace(" ", BLANK))


def join(symbols, pair):
    """The symbols, each place of the pair as one, from the left."""
    joined, i = [], 0
    while i < len(symbols):
        both = tuple(symbols[i : i + 2]) == pair
        joined.append(pair[0] + pair[1] if both else symbols[i])
        i += 2 if both else 1
    return joined


def learn(texts):
    """The pieces that make one of each text, a list of symbols; first those of the pairs that occur most."""
    pieces = []
    while True:
        pairs = Counter(pair for text in texts for pair in zip(text, text[1:]))
        if not pairs:
            return pieces
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        texts = [join(text, best) for text in texts]
        pieces.append(best[0] + best[1])


class Vocabulary:
    def __init__(self, texts, sentences):
        """Each word of the texts becomes a piece, and each sentence, with and without a blank before it."""
        whole = [words_of(blank + sentence) for sentence in sentences for blank in ("", " ")]
        words = sorted({word for text in texts for word in words_of(text)}.union(*whole))
        pieces = list(dict.fromkeys(learn([list(word) for word in words]) + learn(whole)))
        pieces += sorted({c for word in words for c in word}.union("0123456789", BLANK) - set(pieces))
        self.texts = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)] + pieces
        self.types = [UNKNOWN, CONTROL, CONTROL] + [BYTE] * 256 + [NORMAL] * len(pieces)
        # As LLaMA's are: so the order of the vocabulary, which is all that a file of 2023 has, says the same.
        self.scores = [0.0] * FIRST_PIECE + [-float(i) for i in range(len(pieces))]
        self.ids = {text: i for i, text in enumerate(self.texts) if i >= FIRST_PIECE}
        self._encode_part = functools.cache(self._encode_part)

    def __len__(self):
        return len(self.texts)

    def _encode_part(self, part):
        symbols = list(part)
        while True:
            pairs = [pair for pair in zip(symbols, symbols[1:]) if pair[0] + pair[1] in self.ids]
            if not pairs:
                break
            symbols = join(symbols, min(pairs, key=lambda pair: self.ids[pair[0] + pair[1]]))
        ids = []
        for symbol in symbols:
            ids += [self.ids[symbol]] if symbol in self.ids else [FIRST_BYTE + b for b in symbol.encode()]
        return ids

    def encode(self, text, begins=False):
        """The tokens; a text that begins gets a blank before it. No piece has a digit or a newline in it: they part the text."""
        text = (BLANK if begins else "") + text.replace(" ", BLANK)
        return [token for part in re.split("([0-9\n])", text) if part for token in self._encode_part(part)]

    def encode_prompt(self, text):
        """The same, with {bos} and {eos} as the tokens that they stand for: what follows one begins."""
        ids = []
        for part in re.split("({bos}|{eos})", text):
            if part in ("{bos}", "{eos}"):
                ids.append(BOS if part == "{bos}" else EOS)
            elif part:
                ids += self.encode(part, begins=True)
        return ids
