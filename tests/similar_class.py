"""A class that works on its own, each student in a way of their own, and copies planted among them; for ``b2-1``."""

from __future__ import annotations

import copy
import hashlib
import json
import random
import re

from grader.handout.build import new_cell, student_notebook
from grader.model import Attempt, CriterionScore, Execution, ExecutionOutcome, Outcome, Result, Student, Text
from grader.pipeline.submissions import keep_attempts
from grader.scoring.scores import summed

RAN = Execution(ExecutionOutcome.OK)
_NAMES = ("net", "cnn", "model600", "small", "clf", "my_model", "nn", "conv_net", "m2", "tiny")
_DATA = ("xs", "ys", "tr_x", "tr_y", "images600", "labels600", "few_x", "few_y", "sub_x", "sub_y", "Xs", "Ys")
_PARTS = (
    ("フィルタ", "重み", "カーネル", "模様", "濃淡"),
    ("学習前", "最初", "初期状態", "訓練の前", "始めのうち"),
    ("は乱数なので", "ではばらばらで", "には規則がなく", "では砂嵐のようで", "は一様に見え"),
    ("特徴が見えない", "意味が読み取れない", "線も面も現れない", "どれも同じに見える", "区別がつかない"),
    ("学習後", "訓練を終えると", "10 エポックの後", "最後には", "誤差が下がるにつれて"),
    ("縦や横の帯", "斜めの縞", "明るい角", "黒い点の周りの輪", "中央の塊"),
    ("がはっきりした", "が現れた", "を持つものが増えた", "に分かれた", "が目立つようになった"),
    ("数字の輪郭", "画の端", "曲線の部分", "線の太さ", "交差する点"),
    (
        "を捉えるためだと思う",
        "に反応していると考える",
        "を数えているのだろう",
        "を見分ける役に立つ",
        "に対応している可能性がある",
    ),
)
_EXTRAS = re.split(
    "---\n",
    """\
for {v} in range({n}):
    print({v}, {m}.layers[{v}].name, {m}.layers[{v}].count_params() * {k})
---
{v} = {m}.predict({x}[:{n}]).argmax(axis=1)
print(sum(a != b for a, b in zip({v}, {y}[:{n}])), 'errors in', {n})
---
plt.figure(figsize=({k}, {n}))
plt.plot(h.history['loss'], 'r--', linewidth={k})
plt.twinx().plot(h.history['val_loss'])
plt.show()
---
import pandas as pd
{v} = pd.DataFrame(h.history)
{v}['gap'] = {v}['val_loss'] - {v}['loss']
print({v}.tail({n}).round({k}))
---
def {v}(a, b={n}):
    total = 0
    while a > b:
        a, total = a // {k}, total + a % b
    return total
print({v}({m}.count_params()))
---
{v} = np.stack([w.get_weights()[0].ravel()[:{n}] for w in {m}.layers if w.get_weights()])
print({v}.std(axis=1) / {k})
---
try:
    {m}.load_weights('w{n}.weights.h5')
except (OSError, ValueError) as {v}:
    print('none yet:', {v}, {k})
---
{v} = dict(zip('abcdefgh', range({n})))
assert len({v}) <= {n} and {k} not in {v}
print(sorted({v}.items(), key=lambda p: -p[1]))
---
with open('log{n}.txt', 'w') as {v}:
    for e, l in enumerate(h.history['loss']):
        {v}.write(f'{{e}};{{l:.{k}f}}\\n')
---
rng = np.random.default_rng({n})
{v} = rng.permutation({n} * {k})
{x}, {y} = {x}[{v}], {y}[{v}]
print({x}.mean(), {y}[:{k}])
---
{v} = [a for a in {y} if a % 2] or [0]
print(len({v}) / len({y}), max({v}), min({v}) - {k}, {n})
---
if {m}.count_params() > {n} * 1000:
    print('large')
elif {k} < {n}:
    print('small')
else:
    raise ValueError({n})
""",
)


_MODELS = re.split(
    "---\n",
    """\
{m} = keras.Sequential([keras.Input((28, 28, 1)), layers.Conv2D({n}, {size}, activation='{act}'),
    layers.MaxPooling2D(2), layers.Flatten(), layers.Dense({units}, activation='{act}'),
    layers.Dense(10, activation='softmax')])
---
{m} = keras.Sequential()
{m}.add(keras.Input(shape=(28, 28, 1)))
{m}.add(layers.Conv2D({n}, kernel_size=({size}, {size}), activation='{act}'))
{m}.add(layers.MaxPooling2D())
{m}.add(layers.Dropout({rate}))
{m}.add(layers.Flatten())
{m}.add(layers.Dense({units}, activation='{act}'))
{m}.add(layers.Dense(10, activation='softmax'))
---
inp = keras.Input(shape=(28, 28, 1))
z = layers.Conv2D({n}, {size}, activation='{act}')(inp)
z = layers.MaxPooling2D(2)(z)
z = layers.Flatten()(z)
z = layers.Dense({units}, activation='{act}')(z)
out = layers.Dense(10, activation='softmax')(z)
{m} = keras.Model(inp, out)
""",
)


def own_cells(rng: random.Random) -> list[dict]:
    """What one student adds: a model on 600 images, some looks at it, and two answers."""
    m, x, y = rng.choice(_NAMES), *rng.sample(_DATA, 2)
    units = rng.choice((16, 24, 32, 48, 64, 100, 128, 200))
    act = rng.choice(("relu", "tanh", "elu"))
    take = rng.choice(
        (
            f"{x}, {y} = X_train[:600], y_train[:600]",
            f"({x}, {y}), _ = get_data_mnist(600)",
            f"n = 600\n{x} = X_train[:n]\n{y} = y_train[:n]\nprint({x}.shape, {y}.shape)",
            f"chosen = np.arange(600)\n{x} = X_train[chosen]\n{y} = y_train[chosen]",
        )
    )
    size, n_filters = rng.choice((3, 5, 7)), rng.choice((8, 16, 32, 64))
    build = rng.choice(_MODELS).format(
        m=m, size=size, n=n_filters, act=act, units=units, rate=rng.choice((0.1, 0.2, 0.25, 0.3, 0.4, 0.5))
    )
    optimizer = rng.choice(("'adam'", "'sgd'", "keras.optimizers.Adam(1e-3)", "keras.optimizers.RMSprop()", "'nadam'"))
    train = (
        f"{m}.compile(optimizer={optimizer}, loss='sparse_categorical_crossentropy', metrics=['accuracy'])\n"
        f"h = {m}.fit({x}, {y}, epochs={rng.choice((20, 30, 40, 50, 60))}, batch_size={rng.choice((16, 32, 64, 128))}, "
        f"validation_split={rng.choice((0.1, 0.15, 0.2, 0.25))})"
    )
    extras = [
        extra.format(m=m, x=x, y=y, v=rng.choice("abcdefgpqrstuw") * 2, n=rng.randint(3, 40), k=rng.randint(2, 9))
        for extra in rng.sample(_EXTRAS, 5)
    ]
    code = [
        new_cell("code", f"# {rng.random()}\n{text}", f"own-{n}")
        for n, text in enumerate([f"{take}\n{build}", train, *extras])
    ]
    code[1]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": training_log(rng)}]
    return [*code, *(new_cell("markdown", answer(rng), f"answer-{n}") for n in (1, 2))]


def answer(rng: random.Random) -> str:
    sentences = ["".join(rng.choice(part) for part in _PARTS) + f"（{rng.randint(2, 99)} 番）。" for _ in range(3)]
    return "".join(sentences)


def training_log(rng: random.Random) -> str:
    def line(epoch: int) -> str:
        return (
            f"Epoch {epoch}/20 loss: {rng.random():.4f} - accuracy: {rng.random():.4f} - val_loss: {rng.random():.4f}\n"
        )

    return "".join(line(epoch) for epoch in range(1, 21))


def notebook(context, rng: random.Random, ident: str) -> dict:
    """The handout with one student's cells."""
    book = copy.deepcopy(handout(context))
    book["cells"][0]["source"] = f"学生証番号 : {ident}\n\n名前 : 学生 {ident}"
    book["cells"] += own_cells(rng)
    return book


_HANDOUTS: dict[str, dict] = {}


def handout(context) -> dict:
    return _HANDOUTS.setdefault(context.assignment.id, student_notebook(context.assignment, "ja"))


def disguised(book: dict, ident: str, rng: random.Random) -> dict:
    """A copy under another name: variables renamed, comments changed, own cells in another order, outputs cleared."""
    copied = copy.deepcopy(book)
    copied["cells"][0]["source"] = f"学生証番号 : {ident}\n\n名前 : 学生 {ident}"
    own = [c for c in copied["cells"] if c["id"].startswith("own-")]
    for cell in own:
        cell["outputs"] = []
        cell["source"] = re.sub(r"#.*", f"# my own {rng.random()}", cell["source"])
        for name in (*_NAMES, *_DATA):
            cell["source"] = re.sub(rf"\b{name}\b", f"{name}_v{len(name)}", cell["source"])
    rest = [c for c in copied["cells"] if c not in own]
    rng.shuffle(own)
    copied["cells"] = rest[:-2] + own
    return copied


def hand_in(context, ident: str, book: dict, evidence: str | None = None) -> Attempt:
    """Keeps the notebook as a graded attempt of the workspace."""
    content = json.dumps(book, ensure_ascii=False).encode()
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    attempt = Attempt("b2-1", digest, f"{ident}.ipynb", content, Student(ident, f"学生 {ident}"), None)
    keep_attempts(context, [attempt])
    lines = [
        CriterionScore(c.id, c.points, c.points, Outcome.PASSED, c.visibility, Text("This is as it was asked for."))
        for c in context.rubric.criteria
    ]
    score = summed(lines, ())
    context.gradebook.add_result(Result("b2-1", digest, attempt.source, attempt.student, RAN, score, evidence=evidence))
    return attempt
