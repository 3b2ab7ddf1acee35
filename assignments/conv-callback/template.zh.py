# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# 学号 :
#
# 姓名 :
#
# 电子邮件 :

# %% [markdown]
# # 卷积与回调函数
#
# Fashion-MNIST 收集了 10 类服饰的照片。本次课先在这个数据集上比较两种网络：只有全连接层的网络，和在前面加上卷积层的网络。
# 后半部分由你来改变网络结构、观察结果，并编写一个回调函数，让训练在达到目标后自动停止。
#
# 本次课的内容如下：
#
# 1. 训练全连接网络和卷积神经网络，用图观察各层的输出（[1-0]～[1-6]）。
# 2. 改变卷积层的层数和滤波器的个数，观察准确率和训练时间的变化（练习 2-1 的 (1)～(4)）。
# 3. 编写回调函数，提前结束手写数字 MNIST 的训练（练习 3-1 的 (5)）。
#
# 请从上到下依次运行单元格，边运行边观察图和数值。
# 提交之前，请重启内核并运行全部单元格，确认能够无错误地运行到最后。

# %% [markdown]
# ## 1. 卷积带来了什么
#
# ### 准备

# %%
# [1-0]
import matplotlib.pyplot as plt
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

print("TensorFlow", tf.__version__)

# %% [markdown]
# ### 全连接网络
#
# 首先训练一个把 28×28 个像素排成一行、再交给全连接层的网络。
# 请记下最后显示的测试准确率（分类正确的测试图像所占的比例），后面要用它来比较。

# %%
# [1-1]
mnist = keras.datasets.fashion_mnist
(training_images, training_labels), (test_images, test_labels) = mnist.load_data()
# 把像素值从 0～255 变为 0～1
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
print(f"全连接网络  测试准确率：{test_acc:.4f}")

# %% [markdown]
# ### 卷积层与池化层
#
# 全连接层并不知道哪些像素是相邻的。可是图像中的许多线索，例如衣袖的边缘、鞋底的线条，都表现为相邻像素之间的明暗变化。
# **卷积**就是用来提取这种变化的。
#
# 卷积层拿着一小组权重（例如 3×3 个，称为**滤波器**），在图像上一个像素一个像素地移动，把权重与对应的像素相乘后求和。
# 假设一个滤波器左列为 -1、中列为 0、右列为 1：在明暗均匀的地方，它的结果是 0；在从左到右由暗变亮的边缘处，它的结果很大。
# 滤波器的权重取什么值，由训练来决定。
#
# 卷积层后面常常接一个**池化层**。2×2 的最大池化从 4 个值中只保留最大的一个。宽和高各减半，数据只剩四分之一，
# 但“这附近有这个特征”的信息保留了下来。
#
# 在下面的网络中，数据的大小逐层变化如下：
#
# | 层 | 作用 | 输出大小 |
# |---|---|---|
# | 输入 | 灰度图像 | 28×28×1 |
# | 卷积 | 64 个 3×3 的滤波器，ReLU | 26×26×64 |
# | 最大池化 | 2×2 | 13×13×64 |
# | 卷积 | 64 个 3×3 的滤波器，ReLU | 11×11×64 |
# | 最大池化 | 2×2（舍去边上多出的 1 个像素） | 5×5×64 |
# | 展平 | 排成一行 | 1600 |
# | 全连接 | ReLU | 128 |
# | 全连接（输出） | softmax | 10 |
#
# 卷积层接收“张数 × 高 × 宽 × 通道”的四维数组。灰度图像只有一个通道，所以要先把 28×28 改成 28×28×1。

# %%
# [1-2]
training_images = training_images.reshape(-1, 28, 28, 1)
test_images = test_images.reshape(-1, 28, 28, 1)
print("训练：", training_images.shape, " 测试：", test_images.shape)

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
# 请在 `model.summary()` 的表格中观察数据的大小怎样逐层变化，以及权重（Param）主要集中在哪一层。
#
# 下一个单元格开始训练。只用 CPU 时可能需要几分钟。

# %%
# [1-4]
model.fit(training_images, training_labels, epochs=5)
test_loss, test_acc = model.evaluate(test_images, test_labels, verbose=0)
print(f"卷积神经网络  测试准确率：{test_acc:.4f}")

# %% [markdown]
# 请与 [1-1] 的准确率比较。用的是同样的训练数据，准确率却应该有所提高。
#
# 如果时间允许，可以把轮数增加到 20 左右再试一次。训练数据上的准确率会一直上升，而测试数据上的准确率到一定程度就不再提高。
# 这是因为网络把训练图像的细枝末节也记住了，而这些对没见过的图像没有帮助。这种现象称为**过拟合**。
#
# ### 观察各层的输出
#
# 下面来看训练好的网络中，各层对图像的哪些部分有反应。先显示前 100 张测试图像的标签。

# %%
# [1-5]
print(test_labels[:100])

# %% [markdown]
# 第 0、23、28 张图像的标签都是 9（短靴）。把这三张图像送入网络，画出卷积层和池化层中第 CONVOLUTION_NUMBER 个滤波器的输出。
# 这三只鞋有没有共同引起反应的部分？也请换成别的图像和别的滤波器看一看。

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
# ## 2. 改变结构并比较
#
# ### 练习 2-1 改变卷积层的实验
#
# 以 [1-3] 的网络为基础，把两个卷积层的滤波器都改为 32 个，作为比较的基准。
# 请训练这个基准网络，再按 (1)～(4) 分别改动并训练，然后进行比较。
#
# - (1) 把滤波器的个数从 32 改为 16，再改为 64。
# - (2) 去掉最后一个卷积层（连同它后面的池化层）。
# - (3) 增加卷积层。请先预测结果，再做实验。
# - (4) 在 (3) 的网络中只保留第一个卷积层，去掉其余所有的卷积层。池化层全部保留。
#
# 每种改动对测试准确率和训练时间有什么影响？请给出数值，并说明你认为的原因。
#
# 为了节省时间，可以减少训练图像的张数或训练的轮数，但互相比较的网络必须采用相同的条件。
#
# **提示** 训练时间可以这样测量：
#
# ```python
# import time
#
# start = time.perf_counter()
# # 在这里训练
# seconds = time.perf_counter() - start
# ```

# %% tags=["placeholder"]
# 请在这里编写 (1)～(4) 的代码，单元格可以随意增加。

# %% tags=["solution"]
import time

n_images, n_epochs = 12000, 3  # 每个网络都相同


def measure(title, stages):
    """训练由 stages 各段组成的网络，显示准确率和时间。数字表示卷积加池化的一段，"pool" 表示只有池化的一段。"""
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
    print(f"{title:<16} 准确率 {accuracy:.4f}   训练时间 {seconds:5.1f} 秒   权重 {network.count_params():>7,} 个")


# %% tags=["solution"]
# (1) 基准的 32 个滤波器，以及 16 个和 64 个
for n_filters in (32, 16, 64):
    measure(f"(1) {n_filters}-{n_filters}", [n_filters, n_filters])

# %% tags=["solution"]
# (2) 去掉最后一个卷积层  (3) 增加到三层  (4) 三层中只留第一层
measure("(2) 32", [32])
measure("(3) 32-32-32", [32, 32, 32])
measure("(4) 32-pool-pool", [32, "pool", "pool"])

# %% [markdown] tags=["answer", "placeholder"]
# **2-1 的回答**
#
# （请删去这一行，写下 (1)～(4) 的结果和你的分析。）

# %% [markdown] tags=["answer", "solution"]
# 各网络的数值见上面的表格。每个网络只用 12,000 张图像训练了 3 轮，所以准确率低于 [1-4]。
#
# (1) 换成 16 个滤波器，训练稍快一些，准确率低 1～2 个百分点；换成 64 个，训练时间变长，准确率提高 0.5～1 个百分点。
# 滤波器越多，能提取的特征种类越多，但每增加一个，时间的代价不变，带来的好处却越来越小。
#
# (2) 只留一个卷积层时，准确率反而比基准高约 2 个百分点，训练时间则没有明显缩短。第二个卷积层的计算省去了，
# 但送入全连接层的数据变成 13×13×32，全部权重增加到约 6 倍。在这样短的训练中，没有被池化掉的细节似乎比更高层的特征更有用。
#
# (3) 增加第三个卷积层没有好处，准确率下降了好几个百分点。经过三次池化，图像缩小到 1×1，位置信息几乎不剩；
# 网络更深，只训练 3 轮也不够。层数要与图像的大小相配。
#
# (4) 只保留第一个卷积层而做三次池化，训练很快，但准确率明显低于 (2)。池化只是缩小图像，并不产生新的特征，细节就丢失了。
# 每个网络只训练了一次，所以不到 1 个百分点的差别也可能出于偶然。

# %% [markdown] tags=["task"]
# ## 3. 达到目标就停止训练
#
# 轮数设得多一些比较保险，但如果准确率已经足够高还继续训练，就是浪费时间。在 Keras 中，可以把**回调函数**交给 `fit`，
# 它会在训练过程中被调用，从而提前结束训练。
#
# - 回调函数写成继承 `keras.callbacks.Callback` 的类，也可以使用 `LambdaCallback`。
# - 每一轮结束时，Keras 会调用它的方法 `on_epoch_end`，传入轮的序号和存放该轮结果的字典 `logs`。
#   字典的键：损失是 `"loss"`；准确率则是 `compile` 的 `metrics` 中写的名称，这里是 `"accuracy"`。
# - 把模型的属性 `stop_training` 设为 `True`，训练就会在这一轮结束后停止。
#
# ### 练习 3-1 监视准确率的回调函数
#
# - (5) 编写一个回调函数，当训练数据上的准确率（`accuracy`）超过 0.995 (99.5 %) 时停止训练。
#   把它交给 `fit`，对 [3-0] 的模型最多训练 10 轮，查看训练停在第几轮，以及测试准确率是多少。
#
# **提示** 没有回调函数时，训练是这样写的：
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
# 请在这里编写 (5) 的代码。

# %% tags=["solution"]
class StopAboveAccuracy(keras.callbacks.Callback):
    """训练数据上的准确率超过 level 的那一轮结束后，停止训练。"""

    def __init__(self, level):
        super().__init__()
        self.level = level

    def on_epoch_end(self, epoch, logs=None):
        reached = (logs or {}).get("accuracy", 0.0)
        if reached > self.level:
            print(f"\n第 {epoch + 1} 轮的准确率 {reached:.4f} 超过了 {self.level}，训练到此结束。")
            self.model.stop_training = True


# %% tags=["solution"]
history = model.fit(training_images, training_labels, epochs=10, callbacks=[StopAboveAccuracy(0.995)])
test_loss, test_acc = model.evaluate(test_images, test_labels, verbose=0)
print(f"训练了 {len(history.epoch)} 轮  测试准确率：{test_acc:.4f}")
