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
# # B2-1 畳み込みニューラルネットワーク (CNN) 入門
#
# 前回の B1-2 では、画像を 1 本のベクトルに並べ直してから全結合のネットワーク (BPNN) に入力しました。
# 今回の畳み込みニューラルネットワーク (Convolutional Neural Network; CNN) は、画像を縦横に並んだ形のまま受け取ります。
# 小さなフィルタを画像の上で動かしながら特徴を取り出し、どのようなフィルタを使うかも学習によって決めます。
#
# この回の流れは次のとおりです。
#
# 1. 畳み込み層が 1 層だけの小さな CNN を組み立て、手書き数字 MNIST で学習させます（[1-0]～[1-14]）。
# 2. 学習の前と後でフィルタを見比べ、考察します（課題 B2-1-1）。
# 3. 学習データを 600 枚に減らし、BPNN と性能を比べます（課題 B2-1-2）。
#
# まず上から順にセルを実行し、図や数値を確かめながら進めてください。
# 提出する前にはカーネルを再起動して全セルを実行し、エラーなく最後まで動くことを確認してください。

# %% [markdown]
# ## 準備

# %%
# [1-0]
import matplotlib.pyplot as plt
import numpy as np
from tensorflow import keras
from tensorflow.keras import layers

# %% [markdown]
# ## データを読み込む
#
# 画像は 28×28 画素のグレースケールです。畳み込み層は「縦 × 横 × チャネル」の形の画像を受け取るので、
# 長さ 1 のチャネルの軸を付け加えて 28×28×1 にします。カラー画像であれば、チャネル数は赤・緑・青の 3 になります。

# %%
# [1-1]
def get_data_mnist(data_size=None):
    """MNIST を ((学習用の画像, ラベル), (テスト用の画像, ラベル)) の形で返す。

    data_size に枚数を渡すと、学習用データを先頭からその枚数だけに絞る。
    """

    def to_input(images):
        # 画素値 0～255 を 0～1 に直し、末尾にチャネルの軸を足す
        return images[..., np.newaxis].astype(np.float32) / 255

    (train_images, train_labels), (test_images, test_labels) = keras.datasets.mnist.load_data()
    used = slice(data_size)
    return (to_input(train_images[used]), train_labels[used]), (to_input(test_images), test_labels)


# %%
# [1-2]
(X_train, y_train), (X_test, y_test) = get_data_mnist()
for title, array in [("X_train", X_train), ("y_train", y_train), ("X_test", X_test), ("y_test", y_test)]:
    print(f"{title:<8}: {array.shape}")

# %% [markdown]
# ## CNN を組み立てる
#
# データの大きさは、層を通るごとに次のように変わります。
#
# | 層 | はたらき | 出力の大きさ |
# |---|---|---|
# | 入力 | グレースケール画像 | 28×28×1 |
# | 畳み込み | 5×5 のフィルタ 32 個、ReLU | 24×24×32 |
# | 最大値プーリング | 2×2 の範囲から最大値を選ぶ | 12×12×32 |
# | 平坦化 | 1 本のベクトルに並べる | 4608 |
# | 全結合 | ReLU | 20 |
# | 全結合（出力） | softmax で 0～9 の確率にする | 10 |
#
# 平坦化よりも後ろの部分は、前回の BPNN と同じ全結合のネットワークです。

# %%
# [1-3]
model = keras.Sequential()
model.add(keras.Input(shape=(28, 28, 1)))
model.add(layers.Conv2D(filters=32, kernel_size=5, activation="relu"))
model.add(layers.MaxPooling2D(pool_size=2))
model.add(layers.Flatten())
model.add(layers.Dense(units=20, activation="relu"))
model.add(layers.Dense(units=10, activation="softmax"))
model.summary()

# %% [markdown]
# ## 学習前のフィルタを見る
#
# 畳み込み層には 5×5 の重みの組（フィルタ）が 32 個あります。重みの値を濃淡に置き換えて、画像として表示します。
# 白いところほど値が大きく、黒いところほど値が小さいことを表します。

# %%
# [1-4]
def plot_conv_filter(model, layer_id):
    """model の畳み込み層のうち、前から layer_id 番目（0 から数える）のフィルタを並べて表示する。"""
    found = [layer for layer in model.layers if isinstance(layer, layers.Conv2D)]
    if not 0 <= layer_id < len(found):
        print(f"畳み込み層は {len(found)} 層なので、layer_id = {layer_id} の層はありません。")
        return
    kernels = found[layer_id].get_weights()[0]
    height, width, _, n_filters = kernels.shape
    print(f"{found[layer_id].name} : {height}×{width} のフィルタが {n_filters} 個")

    n_cols = 8
    n_rows = -(-n_filters // n_cols)
    _, axes = plt.subplots(n_rows, n_cols, figsize=(n_cols, n_rows), squeeze=False)
    for k, ax in enumerate(axes.flat):
        ax.axis("off")
        if k < n_filters:
            ax.imshow(kernels[:, :, 0, k], cmap="gray")
    plt.show()


# %%
# [1-5]
plot_conv_filter(model, 0)

# %% [markdown]
# 重みは乱数で初期化されたばかりなので、どのフィルタにもこれといった模様は見えません。
# この図は、学習した後の図と見比べるときに使います。
#
# ## 学習の設定をして、学習前の性能を測る

# %%
# [1-6]
def model_setup(model, optimizer="adam", lr=0.001):
    """最適化手法（"adam" または "sgd"）と学習率 lr、誤差関数を model に設定する。"""
    methods = {"adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD}
    if optimizer not in methods:
        raise ValueError(f'optimizer には "adam" か "sgd" を指定してください（受け取った値 : {optimizer!r}）')
    model.compile(
        optimizer=methods[optimizer](learning_rate=lr),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )


# %%
# [1-7]
model_setup(model)
loss_no_train, accuracy_no_train = model.evaluate(X_test, y_test, verbose=0)
print(f"学習前  誤差 : {loss_no_train:.4f}  正解率 : {accuracy_no_train:.4f}")

# %% [markdown]
# 10 種類の数字を当てずっぽうに答えると、正解率は 0.1 前後になります。上の値はそれに近いでしょうか。
#
# ## 学習させる
#
# 学習データの 1 割を検証用に取り分け、残りの 9 割で 10 エポック学習します。CPU では数分かかることがあります。

# %%
# [1-8]
batch_size = 128
epochs = 10
trainlog = model.fit(X_train, y_train, batch_size=batch_size, epochs=epochs, validation_split=0.1)

# %% [markdown]
# ## 学習の進み方をグラフで見る

# %%
# [1-9]
def plot_result(log):
    """fit が返した記録 log から、正解率（左）と誤差（右）の推移を描く。"""
    _, axes = plt.subplots(1, 2, figsize=(10, 3.5))
    for ax, key in zip(axes, ("accuracy", "loss")):
        for curve, prefix in (("train", ""), ("validation", "val_")):
            ax.plot(log.history[prefix + key], label=curve)
        ax.set(title=key, xlabel="epoch", ylabel=key)
        ax.legend()
    plt.show()


# %%
# [1-10]
plot_result(trainlog)

# %% [markdown]
# ## 学習後のフィルタを見る

# %%
# [1-11]
plot_conv_filter(model, layer_id=0)

# %% [markdown]
# [1-5] の図と比べると、明るい部分と暗い部分がまとまった濃淡の模様が現れています。
# この模様については、課題 B2-1-1 で考えます。
#
# ## テストデータで性能を測る

# %%
# [1-12]
loss_train, accuracy_train = model.evaluate(X_test, y_test, verbose=0)
print(f"学習前  誤差 : {loss_no_train:.4f}  正解率 : {accuracy_no_train:.4f}")
print(f"学習後  誤差 : {loss_train:.4f}  正解率 : {accuracy_train:.4f}")

# %% [markdown]
# ## 間違えた画像を見る
#
# 正解率が高くても、すべての画像を正しく認識できるわけではありません。どのような数字を間違えたのかを確かめます。
# 画像の上の「4 → 9」という表示は、正解が 4 の画像を 9 と答えたことを表します。

# %%
# [1-13]
def random_plot(X, y, predict=None):
    """正解が 0～9 の画像を、それぞれ無作為に 5 枚まで縦に並べて表示する。predict には予測した数字を渡す。"""
    n_rows, n_digits = 5, 10
    _, axes = plt.subplots(n_rows, n_digits, figsize=(n_digits, 1.3 * n_rows))
    for ax in axes.flat:
        ax.axis("off")
    for digit in range(n_digits):
        candidates = np.flatnonzero(y == digit)
        chosen = np.random.permutation(candidates)[:n_rows]
        for ax, i in zip(axes[:, digit], chosen):
            ax.imshow(X[i].reshape(28, 28), cmap="gray")
            ax.set_title(f"{digit}" if predict is None else f"{digit} → {predict[i]}", fontsize=9)
    plt.show()


# %%
# [1-14]
test_predict = model.predict(X_test, verbose=0).argmax(axis=1)
false_idx = test_predict != y_test
print(f"{len(y_test)} 枚のうち {false_idx.sum()} 枚を間違えました。")
random_plot(X_test[false_idx], y_test[false_idx], test_predict[false_idx])

# %% [markdown] tags=["task"]
# ## 課題 B2-1-1 学習後のフィルタについての考察
#
# [1-5] と [1-11] の図を見比べてください。学習後のフィルタがこのような模様になったのは、なぜだと考えますか。
# 図から読み取れることを挙げながら、理由を説明してください。

# %% [markdown] tags=["answer", "placeholder"]
# **解答欄 B2-1-1**
#
# （この行を消して、考察を書いてください。）

# %% [markdown] tags=["answer", "solution"]
# 学習前の重みは乱数で決めただけなので、[1-5] の図は砂嵐のようで、意味のある形は見当たらない。
# 学習では、分類の誤差（交差エントロピー）が小さくなる向きに、誤差逆伝播法で求めた勾配を使って 25 個の重みが少しずつ更新される。
# 手書き数字を見分ける手掛かりになるのは、線の縁や傾き、線の端、曲がり角であり、いずれも明るい画素と暗い画素が隣り合う場所である。
# 片側の重みが正で反対側が負のフィルタは、その向きの境目で大きな値を出し、ReLU を通った後も情報を次の層へ伝えられる。
# そのため [1-11] の図では、縦・横・斜めの境目や短い線に似た明暗のまとまりができたと考えられる。
# フィルタごとに向きが違うのは、初期値が異なり、別々の特徴を受け持つ方が全体の誤差をよく減らせるからである。
# 変化が小さいフィルタも残っているのは、ほかのフィルタだけで十分に見分けられ、大きな勾配が届かなかったためだと思われる。

# %% [markdown] tags=["task"]
# ## 課題 B2-1-2 学習データが少ないときの BPNN（前回の B1-2）との比較
#
# 学習データを 600 枚に絞って (data_size=600) CNN を学習させ、テストデータに対する性能を調べてください。
# 次の点について答えてください。
#
# - 同じ 600 枚で学習した BPNN と比べて、性能はどのように違いますか。
# - その差が生じたのは、なぜだと考えますか。
#
# BPNN の結果は、前回の B1-2 で得た正解率を数値で引用しても、このノートブックで学習し直しても構いません。
#
# **ヒント** 以下のコードを参考にしてください。そのまま使っても、書き換えて使っても構いません。
#
# - 学習データを 600 枚に絞る（全データの X_train, y_train を上書きしないように、別の変数に入れています）
#
# ```python
# (X_small, y_small), _ = get_data_mnist(data_size=600)
# ```
#
# - モデルを作り、学習の設定をする（全結合層のユニット数は 128 です）
#
# ```python
# small_model = keras.Sequential()
# small_model.add(keras.Input(shape=(28, 28, 1)))
# small_model.add(layers.Conv2D(filters=32, kernel_size=5, activation="relu"))
# small_model.add(layers.MaxPooling2D(pool_size=2))
# small_model.add(layers.Flatten())
# small_model.add(layers.Dense(units=128, activation="relu"))
# small_model.add(layers.Dense(units=10, activation="softmax"))
# model_setup(small_model, lr=0.001)
# ```
#
# - 学習させる（データが少ないので、エポック数は 50 に増やします）
#
# ```python
# small_log = small_model.fit(X_small, y_small, batch_size=128, epochs=50, validation_split=0.1)
# ```
#
# - テストデータで性能を測る
#
# ```python
# small_loss, small_accuracy = small_model.evaluate(X_test, y_test, verbose=0)
# print(f"誤差 : {small_loss:.4f}  正解率 : {small_accuracy:.4f}")
# ```

# %% tags=["placeholder"]
# ここに実験のコードを書いてください。セルは自由に増やして構いません。

# %% tags=["solution"]
# どちらのモデルも、この同じ 600 枚で学習させる
(X_small, y_small), _ = get_data_mnist(data_size=600)
print("600 枚に含まれる各数字の枚数 :", np.bincount(y_small, minlength=10))

# %% tags=["solution"]
# 畳み込み層のあるモデル
cnn = keras.Sequential(
    [
        keras.Input(shape=(28, 28, 1)),
        layers.Conv2D(32, 5, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dense(128, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ]
)
model_setup(cnn, lr=0.001)
cnn_log = cnn.fit(X_small, y_small, batch_size=128, epochs=50, validation_split=0.1, verbose=0)
plot_result(cnn_log)

# %% tags=["solution"]
# 畳み込み層のないモデル（BPNN）。画素を並べ直す以外は、データも学習の設定も CNN とそろえる
bpnn = keras.Sequential(
    [
        keras.Input(shape=(28, 28, 1)),
        layers.Flatten(),
        layers.Dense(128, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ]
)
model_setup(bpnn, lr=0.001)
bpnn_log = bpnn.fit(X_small, y_small, batch_size=128, epochs=50, validation_split=0.1, verbose=0)
plot_result(bpnn_log)

# %% tags=["solution"]
# テストデータに対する性能を並べて比べる
print("モデル      誤差   正解率  パラメータ数")
test_scores = {}
for name, network in [("CNN", cnn), ("BPNN", bpnn)]:
    test_scores[name] = network.evaluate(X_test, y_test, verbose=0)
    print(f"{name:<8}{test_scores[name][0]:>8.4f}{test_scores[name][1]:>9.4f}{network.count_params():>10,}")
print(f"正解率の差 (CNN - BPNN) : {test_scores['CNN'][1] - test_scores['BPNN'][1]:+.4f}")

# %% [markdown] tags=["answer", "placeholder"]
# **解答欄 B2-1-2**
#
# （この行を消して、比較の結果と考察を書いてください。）

# %% [markdown] tags=["answer", "solution"]
# 600 枚だけで学習すると、上の表のとおり、CNN の正解率は BPNN の正解率を数ポイント上回った。
# 学習曲線を見ると、どちらも訓練データの正解率は 1 近くまで上がっている。差は、覚えられたかどうかではなく、初めて見る画像への対応（汎化）でついた。
# この差は、画像についての前提をモデルの構造が持っているかどうかによると考える。
# BPNN では 784 個の画素それぞれに別の重みがあり、隣り合う画素の関係を知らない。
# 数字の位置が少しずれただけでも別の入力になるので、ずれや書き方の違いを一つ一つデータから覚えなければならず、600 枚では足りない。
# 一方、CNN は同じ 5×5 のフィルタを画像全体で共有するため、ある場所で覚えた縁や線の特徴をほかの場所でも使える。
# さらに最大値プーリングによって、1～2 画素程度のずれは結果に響きにくくなる。
# 全結合層を含めた重みの総数は CNN の方が多いので、重みの数が少ないからではなく、局所性と重みの共有という構造が効いたと考えられる。
# 全データで学習したときには差が縮まることも、データが多ければ BPNN もずれを覚えられるという説明と合う。
