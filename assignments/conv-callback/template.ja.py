# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# 学生証番号 :
#
# 名前 :
#
# メールアドレス :

# %% [markdown]
# # 畳み込みとコールバック
#
# 衣類の写真を 10 種類に分類する Fashion-MNIST を使い、全結合層だけのネットワークと、畳み込み層を加えたネットワークを比べます。
# 後半では、層の構成を自分で変えて実験し、目標に届いたところで学習を止める仕組み（コールバック）を作ります。
#
# この回の流れは次のとおりです。
#
# 1. 全結合のネットワークと畳み込みニューラルネットワークを学習させ、層の出力を図で確かめます（[1-0]～[1-6]）。
# 2. 畳み込み層の数やフィルタの枚数を変えて、精度と学習時間がどう変わるかを調べます（演習 2-1 の (1)～(4)）。
# 3. 手書き数字 MNIST の学習を途中で止めるコールバックを作ります（演習 3-1 の (5)）。
#
# まず上から順にセルを実行し、図や数値を確かめながら進めてください。
# 提出する前にはカーネルを再起動して全セルを実行し、エラーなく最後まで動くことを確認してください。

# %% [markdown]
# ## 1. 畳み込みで何が変わるか
#
# ### 準備

# %%
# [1-0]
import matplotlib.pyplot as plt
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

print("TensorFlow", tf.__version__)

# %% [markdown]
# ### 全結合のネットワーク
#
# はじめに、28×28 画素の画像を 1 列に並べて全結合層に渡すネットワークを学習させます。
# 最後に表示されるテストデータの精度（正しく分類できた割合）を控えておいてください。あとで比べます。

# %%
# [1-1]
mnist = keras.datasets.fashion_mnist
(training_images, training_labels), (test_images, test_labels) = mnist.load_data()
# 画素値 0～255 を 0～1 に直す
training_images = training_images.astype("float32") / 255
test_images = test_images.astype("float32") / 255

model = keras.Sequential(
    [
        keras.Input(shape=training_images.shape[1:]),
        layers.Flatten(),
        layers.Dense(128, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ]
)
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(training_images, training_labels, epochs=5)

test_loss, test_acc = model.evaluate(test_images, test_labels, verbose=0)
print(f"全結合のネットワーク  テストデータの精度 : {test_acc:.4f}")

# %% [markdown]
# ### 畳み込み層とプーリング層
#
# 全結合層は、どの画素とどの画素が隣り合っているかを知りません。画像の手掛かりの多くは、袖の縁や靴底の線のように、
# 隣り合う画素の明るさの変化に表れます。それを取り出すのが**畳み込み**です。
#
# 畳み込み層は 3×3 などの小さな重みの組（**フィルタ**）を画像の上で 1 画素ずつ動かし、重なった画素との積の和を並べます。
# 例えば、左の列が -1、中央の列が 0、右の列が 1 のフィルタは、明るさが一様なところでは 0 になり、
# 左から右へ明るくなる縁では大きな値になります。どのような重みにするかは、学習で決まります。
#
# 畳み込み層の後には、よく**プーリング層**を置きます。2×2 の最大値プーリングは、4 つの値から最大のものだけを残します。
# 縦も横も半分になるのでデータは 4 分の 1 に減りますが、「その辺りに特徴があった」という情報は残ります。
#
# 次のネットワークでは、データの大きさが層ごとに次のように変わります。
#
# | 層 | はたらき | 出力の大きさ |
# |---|---|---|
# | 入力 | グレースケール画像 | 28×28×1 |
# | 畳み込み | 3×3 のフィルタ 64 枚、ReLU | 26×26×64 |
# | 最大値プーリング | 2×2 | 13×13×64 |
# | 畳み込み | 3×3 のフィルタ 64 枚、ReLU | 11×11×64 |
# | 最大値プーリング | 2×2（端の 1 画素は切り捨て） | 5×5×64 |
# | 平坦化 | 1 列に並べる | 1600 |
# | 全結合 | ReLU | 128 |
# | 全結合（出力） | softmax | 10 |
#
# 畳み込み層は「枚数 × 縦 × 横 × チャネル」の 4 次元の配列を受け取ります。グレースケールの画像はチャネルが 1 つなので、
# 形を 28×28 から 28×28×1 に直しておきます。

# %%
# [1-2]
training_images = training_images.reshape(-1, 28, 28, 1)
test_images = test_images.reshape(-1, 28, 28, 1)
print("学習用 :", training_images.shape, " テスト用 :", test_images.shape)

# %%
# [1-3]
model = keras.Sequential(
    [
        keras.Input(shape=(28, 28, 1)),
        layers.Conv2D(64, (3, 3), activation="relu"),
        layers.MaxPooling2D((2, 2)),
        layers.Conv2D(64, (3, 3), activation="relu"),
        layers.MaxPooling2D((2, 2)),
        layers.Flatten(),
        layers.Dense(128, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ]
)
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
model.summary()

# %% [markdown]
# `model.summary()` の表で、層を通るごとに大きさがどう変わり、重み（Param）がどこに多いかを見てください。
#
# 次のセルで学習させます。CPU では数分かかることがあります。

# %%
# [1-4]
model.fit(training_images, training_labels, epochs=5)
test_loss, test_acc = model.evaluate(test_images, test_labels, verbose=0)
print(f"畳み込みニューラルネットワーク  テストデータの精度 : {test_acc:.4f}")

# %% [markdown]
# [1-1] の精度と比べてみましょう。学習に使ったデータは同じなのに、精度は上がったはずです。
#
# 時間があれば、エポック数を 20 くらいに増やして試してください。学習用データの精度は上がり続けても、テストデータの精度は
# 途中から伸びなくなります。学習用データの細かな癖まで覚えてしまい、初めて見る画像に役立たなくなるためで、
# これを**過学習**といいます。
#
# ### 層の出力を見る
#
# 学習したネットワークの途中の層が、画像のどこに反応しているのかを見ます。
# まず、テスト用の先頭 100 枚のラベルを表示します。

# %%
# [1-5]
print(test_labels[:100])

# %% [markdown]
# 0 番目、23 番目、28 番目のラベルはどれも 9（アンクルブーツ）です。この 3 枚をネットワークに通し、畳み込み層とプーリング層の
# 出力のうち、CONVOLUTION_NUMBER 番目のフィルタのものを並べます。3 足の靴に共通して反応している部分はあるでしょうか。
# 画像やフィルタの番号を変えて、ほかの図も見てください。

# %%
# [1-6]
FIRST_IMAGE = 0
SECOND_IMAGE = 23
THIRD_IMAGE = 28
CONVOLUTION_NUMBER = 1

image_layers = [layer for layer in model.layers if isinstance(layer, (layers.Conv2D, layers.MaxPooling2D))]
layer_outputs = [layer.output for layer in image_layers]
activation_model = keras.Model(inputs=model.inputs, outputs=layer_outputs)
chosen = test_images[[FIRST_IMAGE, SECOND_IMAGE, THIRD_IMAGE]]
activations = activation_model.predict(chosen, verbose=0)

f, axarr = plt.subplots(3, 1 + len(image_layers), figsize=(10, 6))
for row in range(3):
    axarr[row, 0].imshow(chosen[row, :, :, 0], cmap="gray")
    for ax, output in zip(axarr[row, 1:], activations):
        ax.imshow(output[row, :, :, CONVOLUTION_NUMBER], cmap="inferno")
for ax, title in zip(axarr[0], ["input"] + [layer.name for layer in image_layers]):
    ax.set_title(title, fontsize=9)
for ax in axarr.flat:
    ax.axis("off")
plt.show()

# %% [markdown] tags=["task"]
# ## 2. 構成を変えて比べる
#
# ### 演習 2-1 畳み込み層を変える実験
#
# [1-3] のネットワークの 2 つの畳み込み層を、どちらもフィルタ 32 枚にしたものを基準とします。
# 基準のネットワークと、次の (1)～(4) のように変えたネットワークをそれぞれ学習させて、比べてください。
#
# - (1) フィルタの枚数を 32 から 16 に、また 64 に変える。
# - (2) 最後の畳み込み層を（後ろのプーリング層とともに）取り除く。
# - (3) 畳み込み層を増やす。どうなるかを予想してから試してください。
# - (4) (3) のネットワークから、最初の畳み込み層だけを残して、ほかの畳み込み層をすべて取り除く。プーリング層はすべて残します。
#
# それぞれの変更は、テストデータの精度と学習時間にどう影響しましたか。結果を数値で示し、なぜそうなったと考えるかを書いてください。
#
# 時間を節約するために、学習に使う枚数やエポック数を減らしても構いません。ただし、比べるネットワークどうしの条件はそろえてください。
#
# **ヒント** 学習時間は次のように測れます。
#
# ```python
# import time
#
# start = time.perf_counter()
# # ここで学習させる
# seconds = time.perf_counter() - start
# ```

# %% tags=["placeholder"]
# (1)～(4) のコードをここに書いてください。セルは自由に増やして構いません。

# %% tags=["solution"]
import time

n_images, n_epochs = 12000, 3  # どのネットワークも同じ枚数、同じエポック数で学習させる


def measure(title, stages):
    """段を重ねたネットワークを学習させ、精度と時間を表示する。数は畳み込み + プーリング、"pool" はプーリングだけの段。"""
    network = keras.Sequential([keras.Input(shape=(28, 28, 1))])
    for stage in stages:
        if stage != "pool":
            network.add(layers.Conv2D(stage, 3, activation="relu"))
        network.add(layers.MaxPooling2D(2))
    for layer in (layers.Flatten(), layers.Dense(128, activation="relu"), layers.Dense(10, activation="softmax")):
        network.add(layer)
    network.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    start = time.perf_counter()
    network.fit(training_images[:n_images], training_labels[:n_images], epochs=n_epochs, verbose=0)
    seconds = time.perf_counter() - start
    accuracy = network.evaluate(test_images, test_labels, verbose=0)[1]
    print(f"{title:<16} 精度 {accuracy:.4f}   学習時間 {seconds:5.1f} 秒   重み {network.count_params():>7,} 個")


# %% tags=["solution"]
# (1) 基準の 32 枚と、16 枚、64 枚
for n_filters in (32, 16, 64):
    measure(f"(1) {n_filters}-{n_filters}", [n_filters, n_filters])

# %% tags=["solution"]
# (2) 最後の畳み込み層がないもの  (3) 3 層に増やしたもの  (4) その 1 層目だけを残したもの
measure("(2) 32", [32])
measure("(3) 32-32-32", [32, 32, 32])
measure("(4) 32-pool-pool", [32, "pool", "pool"])

# %% [markdown] tags=["answer", "placeholder"]
# **解答欄 2-1**
#
# （この行を消して、(1)～(4) の結果と考察を書いてください。）

# %% [markdown] tags=["answer", "solution"]
# 値は上の表のとおりである。どのネットワークも 12,000 枚で 3 エポックだけ学習したので、精度は [1-4] より低い。
#
# (1) フィルタを 16 枚に減らすと学習は少し速くなり、精度は 1～2 ポイント下がった。64 枚では時間が延び、精度は 0.5～1 ポイントほど上がった。
# フィルタが多いほど多くの種類の特徴を取り出せるが、1 枚増やすごとに同じだけ時間がかかるのに対し、得られる効果は小さくなっていく。
#
# (2) 畳み込み層を 1 つにすると、精度は基準よりむしろ 2 ポイントほど高く、学習時間はあまり短くならなかった。
# 2 層目の計算は要らなくなるが、全結合層に渡るデータが 13×13×32 と大きくなり、全体の重みが約 6 倍に増えるためである。
# このように短い学習では、高度な特徴よりも、プーリングで失われなかった細部の方が役に立ったのだと考える。
#
# (3) 3 層に増やしても良くはならず、精度は数ポイント下がった。プーリングを 3 回行うと画像は 1×1 まで縮み、位置の情報がほとんど残らない。
# また、深いネットワークには 3 エポックの学習では足りない。深さは画像の大きさに見合ったものにする必要がある。
#
# (4) 最初の畳み込み層だけを残してプーリングを 3 回行うと、学習は速かったが、精度は (2) よりはっきりと低かった。
# プーリングは画像を縮めるだけで新しい特徴を作らないので、細部が失われた分だけ不利になったと考えられる。
# なお、どのネットワークも 1 回ずつしか学習していないので、1 ポイントに満たない差は偶然かもしれない。

# %% [markdown] tags=["task"]
# ## 3. 目標に届いたら学習を止める
#
# エポック数を多めに指定しても、十分な精度になったところで学習を終えられれば時間の無駄がありません。
# Keras では、学習の途中で呼び出される**コールバック**を `fit` に渡して、それを実現できます。
#
# - コールバックは `keras.callbacks.Callback` を継承したクラスで作ります。`LambdaCallback` を使っても構いません。
# - エポックが終わるたびに、メソッド `on_epoch_end` が、エポックの番号と、そのエポックの結果を収めた辞書 `logs` とともに呼び出されます。
#   辞書のキーは、誤差が `"loss"`、精度が `compile` の `metrics` に書いた名前（ここでは `"accuracy"`）です。
# - モデルの属性 `stop_training` を `True` にすると、そのエポックで学習が終わります。
#
# ### 演習 3-1 精度を見張るコールバック
#
# - (5) 学習用データの精度（`accuracy`）が 0.995 (99.5 %) を超えたら学習を止めるコールバックを作ってください。
#   それを `fit` に渡して [3-0] のモデルを最大 10 エポック学習させ、止まったエポックとテストデータの精度を確かめてください。
#
# **ヒント** コールバックがないときの学習は次のとおりです。
#
# ```python
# model.fit(training_images, training_labels, epochs=10)
# test_loss, test_acc = model.evaluate(test_images, test_labels)
# print(test_acc)
# ```

# %% tags=["given"]
# [3-0]
mnist = keras.datasets.mnist
(training_images, training_labels), (test_images, test_labels) = mnist.load_data()
training_images = training_images.reshape(-1, 28, 28, 1).astype("float32") / 255
test_images = test_images.reshape(-1, 28, 28, 1).astype("float32") / 255

model = keras.Sequential(
    [
        keras.Input(shape=(28, 28, 1)),
        layers.Conv2D(32, (3, 3), activation="relu"),
        layers.MaxPooling2D((2, 2)),
        layers.Flatten(),
        layers.Dense(128, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ]
)
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])

# %% tags=["placeholder"]
# (5) のコードをここに書いてください。

# %% tags=["solution"]
class StopAboveAccuracy(keras.callbacks.Callback):
    """学習用データの精度が level を超えたエポックで学習を止める。"""

    def __init__(self, level):
        super().__init__()
        self.level = level

    def on_epoch_end(self, epoch, logs=None):
        reached = (logs or {}).get("accuracy", 0.0)
        if reached > self.level:
            print(f"\nエポック {epoch + 1} : 精度 {reached:.4f} が {self.level} を超えたので、学習を終えます。")
            self.model.stop_training = True


# %% tags=["solution"]
history = model.fit(training_images, training_labels, epochs=10, callbacks=[StopAboveAccuracy(0.995)])
test_loss, test_acc = model.evaluate(test_images, test_labels, verbose=0)
print(f"{len(history.epoch)} エポックで終了  テストデータの精度 : {test_acc:.4f}")
