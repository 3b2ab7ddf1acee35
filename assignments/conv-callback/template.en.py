# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# Student number :
#
# Name :
#
# E-mail :

# %% [markdown]
# # Convolutions and callbacks
#
# Fashion-MNIST has photographs of ten kinds of clothing. You will first compare two networks on it: one with dense layers
# only, and one with convolutions in front of them. After that you change the structure yourself, and finally you make
# a training stop on its own when it is good enough, with a callback.
#
# This is what you will do:
#
# 1. Train a dense and a convolutional network, and look at what the layers put out ([1-0] to [1-6]).
# 2. Find out how the number of convolutions and of their filters changes accuracy and training time (exercise 2-1, (1) to (4)).
# 3. Write a callback that ends a training on the handwritten digits of MNIST early (exercise 3-1, (5)).
#
# Run the cells from top to bottom and look at the figures and numbers on the way.
# Before you hand in, restart the kernel, run all cells, and make sure that they run to the end without an error.

# %% [markdown]
# ## 1. What convolutions change
#
# ### Getting ready

# %%
# [1-0]
import matplotlib.pyplot as plt
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

print("TensorFlow", tf.__version__)

# %% [markdown]
# ### A dense network
#
# We begin with a network that lays the 28×28 pixels of an image out in one row and hands them to dense layers.
# Write down the test accuracy (the share of test images that it classifies correctly) which is printed at the end; you
# will need it for comparison.

# %%
# [1-1]
mnist = keras.datasets.fashion_mnist
(training_images, training_labels), (test_images, test_labels) = mnist.load_data()
# pixel values 0..255 become 0..1
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
print(f"dense network  test accuracy: {test_acc:.4f}")

# %% [markdown]
# ### Convolution and pooling
#
# A dense layer does not know which pixels are neighbours. Yet most of what we recognise in an image - the edge of
# a sleeve, the line of a sole - is a change of brightness between neighbouring pixels. A **convolution** picks it up.
#
# A convolutional layer moves a small set of weights, say 3×3 of them (a **filter**), over the image pixel by pixel,
# multiplies it with the pixels below and adds the products up. Take a filter with -1 in its left column, 0 in the middle
# and 1 on the right: wherever the brightness is even, it gives 0, and at an edge that gets brighter from left to right it
# gives a large value. Which weights the filters have is learned.
#
# A convolution is often followed by a **pooling layer**. Max pooling over 2×2 keeps the largest of four values. Width and
# height are halved, so a quarter of the data is left, but it still says that the feature was somewhere around here.
#
# In the next network the shape of the data changes from layer to layer like this:
#
# | layer | what it does | output shape |
# |---|---|---|
# | input | greyscale image | 28×28×1 |
# | convolution | 64 filters of 3×3, ReLU | 26×26×64 |
# | max pooling | 2×2 | 13×13×64 |
# | convolution | 64 filters of 3×3, ReLU | 11×11×64 |
# | max pooling | 2×2 (the last pixel is left over) | 5×5×64 |
# | flatten | lays everything out in one row | 1600 |
# | dense | ReLU | 128 |
# | dense (output) | softmax | 10 |
#
# A convolutional layer expects an array of four dimensions: *images × height × width × channels*. Greyscale images have
# a single channel, so we turn 28×28 into 28×28×1.

# %%
# [1-2]
training_images = training_images.reshape(-1, 28, 28, 1)
test_images = test_images.reshape(-1, 28, 28, 1)
print("training:", training_images.shape, " test:", test_images.shape)

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
# In the table of `model.summary()`, see how the shape changes from layer to layer, and where most weights (Param) are.
#
# The next cell trains the network. On a CPU this can take a few minutes.

# %%
# [1-4]
model.fit(training_images, training_labels, epochs=5)
test_loss, test_acc = model.evaluate(test_images, test_labels, verbose=0)
print(f"convolutional network  test accuracy: {test_acc:.4f}")

# %% [markdown]
# Compare this with the accuracy of [1-1]. The training images are the same, and still the network should have become
# better.
#
# If you have time, train for about 20 epochs. The accuracy on the training images goes on rising, but on the test images
# it stops getting better at some point: the network memorises peculiarities of its training images which do not help with
# images it has never seen. This is called **overfitting**.
#
# ### What the layers put out
#
# Let us see which parts of an image the layers inside the trained network respond to. First, these are the labels of the
# first 100 test images.

# %%
# [1-5]
print(test_labels[:100])

# %% [markdown]
# Images 0, 23 and 28 all have label 9, ankle boot. We send these three through the network and draw what the convolutional
# and the pooling layers put out for filter number CONVOLUTION_NUMBER. Is there a part of the shoe that all three respond
# to? Try other images and other filters too.

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
# ## 2. Changing the structure
#
# ### Exercise 2-1 Experiments with convolutions
#
# The starting point is the network of [1-3] with 32 filters in each of its two convolutions.
# Train it, train the networks that you get by the changes (1) to (4), and compare them.
#
# - (1) Change the number of filters from 32 to 16, and to 64.
# - (2) Take away the last convolution (and the pooling layer behind it).
# - (3) Add a convolution. Say what you expect before you try it.
# - (4) From the network of (3), take away all convolutions but the first. The pooling layers all stay.
#
# How does each change affect the test accuracy and the training time? Give figures, and say why you think it is so.
#
# To save time you may train on fewer images or for fewer epochs, as long as you treat all networks that you compare alike.
#
# **Hint** This is how to measure the training time:
#
# ```python
# import time
#
# start = time.perf_counter()
# # train here
# seconds = time.perf_counter() - start
# ```

# %% tags=["placeholder"]
# Write the code of (1) to (4) here. Add as many cells as you like.

# %% tags=["solution"]
import time

n_images, n_epochs = 12000, 3  # the same for every network


def measure(title, stages):
    """Train a network of these stages; show accuracy and time. A number: convolution and pooling; "pool": pooling only."""
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
    print(f"{title:<16} accuracy {accuracy:.4f}   time {seconds:5.1f} s   {network.count_params():>7,} weights")


# %% tags=["solution"]
# (1) the starting point with 32 filters, then 16 and 64
for n_filters in (32, 16, 64):
    measure(f"(1) {n_filters}-{n_filters}", [n_filters, n_filters])

# %% tags=["solution"]
# (2) without the last convolution  (3) with a third one  (4) only the first of those three
measure("(2) 32", [32])
measure("(3) 32-32-32", [32, 32, 32])
measure("(4) 32-pool-pool", [32, "pool", "pool"])

# %% [markdown] tags=["answer", "placeholder"]
# **Your answer to 2-1**
#
# (Delete this line and write the results of (1) to (4) and your discussion here.)

# %% [markdown] tags=["answer", "solution"]
# The figures are in the tables above. All of these networks saw 12,000 images for three epochs only, which is why they are
# less accurate than the one of [1-4].
#
# (1) With 16 filters the training was a little faster and the accuracy one to two points lower; with 64 it took longer and the
# accuracy rose by half a point to a point. More filters can pick up more kinds of features, but every further one costs as much
# time as those before and brings less.
#
# (2) With a single convolution the accuracy was even about two points higher than at the starting point, and the training hardly
# faster. The work of the second convolution is saved, but 13×13×32 values now reach the dense layer, which makes six times as
# many weights in all. With so short a training, fine details that have not been pooled away seem to be worth more than
# features of a higher level.
#
# (3) A third convolution was no gain: the accuracy fell by several points. After three poolings the image has shrunk to 1×1, so
# that hardly any position is left, and a deeper network needs more than three epochs to learn. The depth has to fit the size
# of the image.
#
# (4) With only the first convolution and three poolings the training was fast, but the accuracy clearly lower than in (2).
# Pooling alone shrinks the image without making new features out of it, and the details are gone. Each network was trained
# only once, so differences of less than about one point may be chance.

# %% [markdown] tags=["task"]
# ## 3. Stopping when it is good enough
#
# A training for which you ask more epochs than it needs wastes time, unless it ends as soon as its accuracy is good
# enough. Keras does this with a **callback**: an object given to `fit`, which Keras calls while it trains.
#
# - Write a callback as a class derived from `keras.callbacks.Callback`; a `LambdaCallback` is fine too.
# - At the end of every epoch its method `on_epoch_end` is called with the number of the epoch and a dictionary `logs` of
#   that epoch's results. The loss has the key `"loss"`, the accuracy the name that `metrics` of `compile` gave it, here
#   `"accuracy"`.
# - Once the model's attribute `stop_training` is `True`, training ends with that epoch.
#
# ### Exercise 3-1 A callback that watches the accuracy
#
# - (5) Write a callback that stops the training once the accuracy on the training images (`accuracy`) is above 0.995
#   (99.5 %). Give it to `fit`, train the model of [3-0] for at most 10 epochs, and see at which epoch it stopped and how
#   accurate it is on the test images.
#
# **Hint** Without a callback, the training looks like this:
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
# Write the code of (5) here.

# %% tags=["solution"]
class StopAboveAccuracy(keras.callbacks.Callback):
    """Ends the training with the epoch in which the accuracy on the training images rises above level."""

    def __init__(self, level):
        super().__init__()
        self.level = level

    def on_epoch_end(self, epoch, logs=None):
        reached = (logs or {}).get("accuracy", 0.0)
        if reached > self.level:
            print(f"\nEpoch {epoch + 1}: accuracy {reached:.4f} is above {self.level}, so the training ends.")
            self.model.stop_training = True


# %% tags=["solution"]
history = model.fit(training_images, training_labels, epochs=10, callbacks=[StopAboveAccuracy(0.995)])
test_loss, test_acc = model.evaluate(test_images, test_labels, verbose=0)
print(f"ended after {len(history.epoch)} epochs  test accuracy: {test_acc:.4f}")
