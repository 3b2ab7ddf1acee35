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
# # VGG16 のファインチューニングで画像を分類する
#
# 大量の画像で学習を終えたモデルを出発点にすると、手元のデータが少なくても、また短い時間でも、性能のよいモデルを作れます。
# この回では、ImageNet で学習済みの VGG16 を土台にして、10 種類のカラー画像を見分けるモデルを作ります。
#
# | 節 | 内容 | 課題 |
# |---|---|---|
# | 1 | CIFAR-10 を読み込んで眺める | |
# | 2 | 画像とラベルを学習できる形に直す | 2 |
# | 3 | VGG16 に自分の全結合層をつなぐ | 3 |
# | 4 | 更新しない層を決めて学習の準備をする | 4 |
# | 5 | 学習させて、結果を測り、保存する | 5 |
#
# 変数の名前（`X_train`、`Y_train`、`vgg16`、`top_model`、`model`、`history` など）は、できるだけ本文のとおりにしてください。
# GPU のない計算機では、最後の学習に 1 時間以上かかります。まず `epoch` を小さくして、全体が動くことを確かめるとよいでしょう。

# %% [markdown]
# ## 1 CIFAR-10
#
# CIFAR-10 は、飛行機・自動車・鳥・猫・鹿・犬・蛙・馬・船・トラックの 10 種類の写真を集めたデータセットです。
# 1 枚の大きさは 32×32 画素で、赤・緑・青の 3 チャネルがあります。学習用に 50,000 枚、テスト用に 10,000 枚が分けられています。
# テスト用の画像は、完成したモデルの性能を測るときだけに使います。

# %%
# [1-1]
import matplotlib.pyplot as plt
import numpy as np
from tensorflow import keras
from tensorflow.keras import layers
from tensorflow.keras.datasets import cifar10

(X_train, Y_train), (X_test, Y_test) = cifar10.load_data()
for name, array in {"X_train": X_train, "Y_train": Y_train, "X_test": X_test, "Y_test": Y_test}.items():
    print(f"{name:<7} : {array.shape} {array.dtype}")

# %%
# [1-2]
class_names = ["飛行機", "自動車", "鳥", "猫", "鹿", "犬", "蛙", "馬", "船", "トラック"]
_, axes = plt.subplots(2, 5, figsize=(8, 3.6))
for number, ax in enumerate(axes.flat):
    first = np.flatnonzero(Y_train[:, 0] == number)[:1]
    for i in first:
        ax.imshow(X_train[i])
    ax.set_title(str(number))
    ax.axis("off")
plt.show()
print(" / ".join(f"{number} {name}" for number, name in enumerate(class_names)))

# %% [markdown]
# ## 2 画像とラベルの準備
#
# 画素値は 0～255 の整数なので、0～1 の小数に直します。

# %%
# [2-1]
X_train = X_train.astype("float32") / 255
X_test = X_test.astype("float32") / 255
nb_category = 10

# %% [markdown] tags=["task"]
# ### 課題 2 ラベルを one-hot 表現にする
#
# ラベルは 0～9 の番号ですが、この番号は種類の名前にすぎず、大きさや順序に意味はありません（名義尺度）。
# そこで、正解の種類のところだけが 1 で、ほかが 0 のベクトルに直します。これを one-hot 表現といいます。
# たとえば 4 種類のうちの 2 番なら $[0, 0, 1, 0]$ です。
#
# `keras.utils` にある関数を使って、`Y_train` と `Y_test` を one-hot 表現に置き換え、形を表示してください。

# %% tags=["placeholder"]
# [2-2]
# ここにコードを書いてください。

# %% tags=["solution"]
# [2-2]
Y_train = keras.utils.to_categorical(Y_train, nb_category)
Y_test = keras.utils.to_categorical(Y_test, nb_category)
print(Y_train.shape, Y_test.shape)

# %% [markdown] tags=["given"]
# ## 3 VGG16 に全結合層をつなぐ
#
# VGG16 は、畳み込み 13 層と全結合 3 層からなるモデルです。`keras.applications` から、学習済みの重みとともに読み込めます。
#
# | 引数 | 意味 |
# |---|---|
# | `include_top` | 最後の全結合 3 層（1000 種類の分類）を含めるかどうか |
# | `weights` | `"imagenet"` なら学習済みの重み、`None` なら乱数 |
# | `input_shape` | 入力画像の形。`include_top=False` のときに自由に決められる |
#
# 全結合 3 層は 1000 種類を見分けるためのものなので使わず、10 種類を見分ける層を自分で作ってつなぎます。

# %% [markdown] tags=["task"]
# ### 課題 3 モデルを組み立てる
#
# 1. 全結合層を除いた、ImageNet で学習済みの VGG16 を、CIFAR-10 の画像の形で読み込み、`vgg16` とします。
# 2. 次の層を順に重ねた `top_model` を作ります。
# 3. `vgg16` の出力を `top_model` に入れた全体を、1 つのモデル `model` にします。
#
# | 層 | 設定 |
# |---|---|
# | 平坦化 | `vgg16` の出力を 1 本のベクトルにする |
# | 全結合 | 256 ユニット、ReLU |
# | バッチ正規化 | 値の分布をそろえて、学習を安定させる |
# | ドロップアウト | 割合 0.5 |
# | 全結合（出力） | `nb_category` ユニット、softmax |

# %% tags=["placeholder"]
# [3-1]
# 1. vgg16

# %% tags=["solution"]
# [3-1]
from tensorflow.keras.applications.vgg16 import VGG16

image_shape = X_train.shape[1:]
vgg16 = VGG16(include_top=False, weights="imagenet", input_shape=image_shape)
print(vgg16.input_shape, "->", vgg16.output_shape)

# %% tags=["placeholder"]
# [3-2]
# 2. top_model

# %% tags=["solution"]
# [3-2]
top_model = keras.Sequential(
    [
        keras.Input(shape=vgg16.output_shape[1:]),
        layers.Flatten(),
        layers.Dense(256, activation="relu"),
        layers.BatchNormalization(),
        layers.Dropout(0.5),
        layers.Dense(nb_category, activation="softmax"),
    ]
)

# %% tags=["placeholder"]
# [3-3]
# 3. model

# %% tags=["solution"]
# [3-3]
model = keras.Model(inputs=vgg16.input, outputs=top_model(vgg16.output))
for number, layer in enumerate(model.layers):
    print(number, layer.name)

# %% [markdown] tags=["given"]
# ## 4 ファインチューニングの準備
#
# 浅い層は、輪郭や模様のような、どの画像にも共通する特徴を取り出します。深い層ほど、学習した画像に特有の特徴を取り出します。
# そこで、浅い層の重みはそのまま使い、深い層の重みだけを新しい画像に合わせて更新します。これがファインチューニングです。
# 土台のモデルの重みをまったく変えず、つないだ層だけを学習させる方法は、転移学習と呼んで区別することがあります。

# %% [markdown] tags=["task"]
# ### 課題 4 更新しない層を決める
#
# 1. `model` の先頭から 15 層（入力層からブロック 4 のプーリング `block4_pool` まで）の重みを、更新されないようにします。
#    ブロック 5 と `top_model` は、更新されるままにします。
# 2. `model` の要約を表示します。
# 3. 最適化手法を Adam、誤差関数を one-hot 表現のラベルに合うもの、指標を正解率にして、`model` をコンパイルします。
#
# 重みを更新するかどうかは、コンパイルより前に決めておく必要があります。

# %% tags=["placeholder"]
# [4-1]
# ここにコードを書いてください。

# %% tags=["solution"]
# [4-1]
for layer in model.layers[:15]:
    layer.trainable = False
model.summary()
model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])

# %% [markdown] tags=["given"]
# ## 5 学習と結果
#
# `fit` の引数 `validation_split` に割合を渡すと、学習データの最後からその割合が検証用に取り分けられ、学習には使われません。

# %% [markdown] tags=["task"]
# ### 課題 5 学習させて、測り、保存する
#
# 1. 学習データの 1 割を検証用にして、`epoch` 回、バッチサイズ 32 で学習させ、戻り値を `history` とします。
#    `epoch` は 30 とします。時間がかかりすぎるときは減らしてもかまいませんが、5 以上にしてください。
# 2. テスト用の画像で誤差と正解率を測り、表示します。
# 3. 学習した `model` をファイルに保存します。
# 4. 正解率がエポックごとにどう変わったかを、学習用と検証用の両方についてグラフにします。

# %% tags=["placeholder"]
# [5-1]
epoch = 30
# 1. 学習

# %% tags=["solution"]
# [5-1]
epoch = 30
history = model.fit(X_train, Y_train, batch_size=32, epochs=epoch, validation_split=0.1)

# %% tags=["placeholder"]
# [5-2]
# 2. 評価と 3. 保存

# %% tags=["solution"]
# [5-2]
score = model.evaluate(X_test, Y_test, verbose=0)
print(f"誤差 : {score[0]:.4f}  正解率 : {score[1]:.4f}")
model.save("CIFAR-10.keras")

# %% tags=["placeholder"]
# [5-3]
# 4. グラフ

# %% tags=["solution"]
# [5-3]
epochs_run = range(1, len(history.history["accuracy"]) + 1)
plt.plot(epochs_run, history.history["accuracy"], label="training")
plt.plot(epochs_run, history.history["val_accuracy"], label="validation")
plt.xlabel("epoch")
plt.ylabel("accuracy")
plt.legend()
plt.show()
