"""MMLU text: questions, the held-out split, the renderings, the tokenizer."""

import csv
import hashlib
import random
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

END = "<|endoftext|>"
LETTERS = "ABCD"
PASSAGE_NOTE = re.compile(r"^This question refers to the following information\.?\s*", re.I)
# Choices that speak of other choices keep their order.
ORDERED = re.compile(r"\b(above|below|both|neither|none|all of|choices?|options?|[A-D] and [A-D]|[A-D] or [A-D])\b")


@dataclass(frozen=True)
class Question:
    subject: str
    text: str
    choices: tuple
    answer: int

    def key(self):
        """Questions about one passage or one stock phrase share a key, so that no passage is on both sides."""
        return " ".join(PASSAGE_NOTE.sub("", self.text).split())[:160]


def read_questions(root):
    questions = []
    for split in ("dev", "test"):
        for path in sorted((Path(root) / split).glob("*.csv")):
            subject = path.stem.removesuffix("_" + split)
            with open(path, newline="", encoding="utf-8") as file:
                for row in csv.reader(file):
                    if row[:1] == ["question"] and row[-1] == "answer":
                        continue
                    answer = LETTERS.index(row[5]) if row[5] in LETTERS else int(row[5])
                    questions.append(Question(subject, row[0].strip(), tuple(c.strip() for c in row[1:5]), answer))
    return questions


def split_questions(questions, share=0.05):
    """Deterministic: a question is held out by the hash of its key alone."""
    train, held = [], []
    for q in questions:
        digest = hashlib.sha256(("held-out:" + q.key()).encode()).digest()
        (held if int.from_bytes(digest[:4], "big") < share * 2**32 else train).append(q)
    return train, held


def header(subject):
    name = subject.replace("_", " ")
    return f"The following are multiple choice questions (with answers) about {name}.\n\n"


def template(q, order=(0, 1, 2, 3)):
    lines = [q.text] + [f"{LETTERS[i]}. {q.choices[c]}" for i, c in enumerate(order)]
    return "\n".join(lines) + f"\nAnswer: {LETTERS[order.index(q.answer)]}"


def documents(questions, rng):
    """One epoch: most questions in few-shot groups of their subject, the rest as plain text; choices shuffled."""
    by_subject, docs = {}, []
    for q in rng.sample(questions, len(questions)):
        if rng.random() < 0.2:
            answer = q.choices[q.answer]
            docs.append(rng.choice([f"{q.text}\n{answer}", f"Question: {q.text}\nAnswer: {answer}", q.text]))
        else:
            by_subject.setdefault(q.subject, []).append(q)
    for subject, group in by_subject.items():
        while group:
            count = rng.randint(1, 4)
            taken, group = group[:count], group[count:]
            docs.append(header(subject) + "\n\n".join(template(q, choice_order(q, rng)) for q in taken))
    rng.shuffle(docs)
    return docs


def choice_order(q, rng):
    order = [0, 1, 2, 3]
    if not any(ORDERED.search(c) for c in q.choices):
        rng.shuffle(order)
    return tuple(order)


def train_tokenizer(questions, vocab_size):
    texts = [header(s) for s in sorted({q.subject for q in questions})] * 20
    texts += [template(q) for q in questions]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, special_tokens=[END], show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def encode(tokenizer, docs):
    end = tokenizer.token_to_id(END)
    parts = [np.array(e.ids + [end], dtype=np.int64) for e in tokenizer.encode_batch(docs)]
    return np.concatenate(parts)


def epoch_stream(tokenizer, questions, length, seed):
    """Endless rows of length + 1 tokens; each epoch has its own order, groups and choice orders."""
    epoch, rest = 0, np.empty(0, dtype=np.int64)
    while True:
        docs = documents(questions, random.Random(seed * 1000 + epoch))
        tokens = np.concatenate([rest, encode(tokenizer, docs)])
        rows = (len(tokens) - 1) // length
        for i in range(rows):
            yield tokens[i * length:(i + 1) * length + 1]
        rest, epoch = tokens[rows * length:], epoch + 1


def held_out_rows(tokenizer, questions, length):
    """Rows [n, length + 1] of the held-out questions, one template document each, and the mask of the
    predicted tokens that belong to a question rather than to its header."""
    ids, content, end = [], [], tokenizer.token_to_id(END)
    for q in sorted(questions, key=lambda q: hashlib.sha256(q.text.encode()).digest()):
        head = tokenizer.encode(header(q.subject)).ids
        body = tokenizer.encode(header(q.subject) + template(q)).ids[len(head):]
        ids += head + body + [end]
        content += [0] * len(head) + [1] * (len(body) + 1)
    n = (len(ids) - 1) // length
    window = np.arange(length + 1) + np.arange(n)[:, None] * length
    return np.array(ids)[window], np.array(content, dtype=bool)[window][:, 1:]
