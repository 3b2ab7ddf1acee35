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
# # B2-1 Introduction to convolutional neural networks (CNN)
#
# Last time, in B1-2, each image was laid out as one long vector and given to a fully connected network (BPNN).
# A convolutional neural network (CNN) takes the image as it is, in rows and columns: it slides small filters over it to
# extract features, and it learns which filters to use.
#
# This is what you will do:
#
# 1. Build a small CNN with a single convolutional layer and train it on the handwritten digits of MNIST ([1-0] to [1-14]).
# 2. Look at the filters before and after training, and discuss them (task B2-1-1).
# 3. Cut the training data down to 600 images and compare the CNN with a BPNN (task B2-1-2).
#
# Run the cells from top to bottom and look at the figures and numbers on the way.
# Before you hand in, restart the kernel, run all cells, and make sure that they run to the end without an error.

# %% [markdown]
# ## Getting ready

# %%
# [1-0]
import matplotlib.pyplot as plt
import numpy as np
from tensorflow import keras
from tensorflow.keras import layers

# %% [markdown]
# ## Loading the data
#
# The images are greyscale, 28×28 pixels. A convolutional layer expects *height × width × channels*, so we append a
# channel axis of length 1 and get 28×28×1. A colour image would have three channels: red, green and blue.

# %%
# [1-1]
def get_data_mnist(data_size=None):
    """Return MNIST as ((training images, labels), (test images, labels)).

    With data_size, only that many training images are used, counted from the first.
    """

    def to_input(images):
        # pixel values 0..255 become 0..1, and a channel axis is added at the end
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
# ## Building the CNN
#
# From layer to layer, the shape of the data changes like this:
#
# | layer | what it does | output shape |
# |---|---|---|
# | input | greyscale image | 28×28×1 |
# | convolution | 32 filters of 5×5, ReLU | 24×24×32 |
# | max pooling | keeps the largest value of each 2×2 block | 12×12×32 |
# | flatten | lays everything out as one vector | 4608 |
# | dense | ReLU | 20 |
# | dense (output) | softmax: a probability for each digit 0 to 9 | 10 |
#
# From the flattening on, it is a fully connected network like last time's BPNN.

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
# ## The filters before training
#
# The convolutional layer has 32 sets of 5×5 weights, its filters. We draw each of them as a small image: the brighter a
# pixel, the larger the weight.

# %%
# [1-4]
def plot_conv_filter(model, layer_id):
    """Draw the filters of the convolutional layer number layer_id (counted from 0) of model."""
    found = [layer for layer in model.layers if isinstance(layer, layers.Conv2D)]
    if not 0 <= layer_id < len(found):
        print(f"There is no layer_id = {layer_id}: the model has {len(found)} convolutional layer(s).")
        return
    kernels = found[layer_id].get_weights()[0]
    height, width, _, n_filters = kernels.shape
    print(f"{found[layer_id].name}: {n_filters} filters of {height}x{width}")

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
# The weights have just been drawn at random, so no filter shows any particular pattern.
# Keep this figure in mind: you will compare it with the one after training.
#
# ## Preparing the training, and how well an untrained model does

# %%
# [1-6]
def model_setup(model, optimizer="adam", lr=0.001):
    """Give model its optimizer ("adam" or "sgd") with learning rate lr, and its loss function."""
    methods = {"adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD}
    if optimizer not in methods:
        raise ValueError(f'optimizer must be "adam" or "sgd", not {optimizer!r}')
    model.compile(
        optimizer=methods[optimizer](learning_rate=lr),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )


# %%
# [1-7]
model_setup(model)
loss_no_train, accuracy_no_train = model.evaluate(X_test, y_test, verbose=0)
print(f"before training  loss: {loss_no_train:.4f}  accuracy: {accuracy_no_train:.4f}")

# %% [markdown]
# Guessing among ten digits gives an accuracy of about 0.1. Is the value above close to that?
#
# ## Training
#
# One tenth of the training data is set aside for validation; the rest is used to train for 10 epochs. On a CPU this can
# take a few minutes.

# %%
# [1-8]
batch_size = 128
epochs = 10
trainlog = model.fit(X_train, y_train, batch_size=batch_size, epochs=epochs, validation_split=0.1)

# %% [markdown]
# ## How the training went

# %%
# [1-9]
def plot_result(log):
    """Draw accuracy (left) and loss (right) over the epochs from log, which fit returned."""
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
# ## The filters after training

# %%
# [1-11]
plot_conv_filter(model, layer_id=0)

# %% [markdown]
# Compared with the figure of [1-5], patterns have appeared in which bright and dark weights lie together.
# Task B2-1-1 is about these patterns.
#
# ## Measuring the model on the test data

# %%
# [1-12]
loss_train, accuracy_train = model.evaluate(X_test, y_test, verbose=0)
print(f"before training  loss: {loss_no_train:.4f}  accuracy: {accuracy_no_train:.4f}")
print(f"after training   loss: {loss_train:.4f}  accuracy: {accuracy_train:.4f}")

# %% [markdown]
# ## The images it gets wrong
#
# Even an accurate model does not recognise every image. Let us see which digits it mistakes for which.
# A title such as "4 → 9" means that the image is a 4 and the model answered 9.

# %%
# [1-13]
def random_plot(X, y, predict=None):
    """Show up to five randomly chosen images of each digit 0 to 9, one column a digit; predict: the digits answered."""
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
print(f"{false_idx.sum()} of {len(y_test)} images were recognised wrongly.")
random_plot(X_test[false_idx], y_test[false_idx], test_predict[false_idx])

# %% [markdown] tags=["task"]
# ## Task B2-1-1 Discuss the filters after training
#
# Compare the figures of [1-5] and [1-11]. Why, do you think, did training give the filters these patterns?
# Explain your reasons, and refer to what you see in the figures.

# %% [markdown] tags=["answer", "placeholder"]
# **Your answer to B2-1-1**
#
# (Delete this line and write your discussion here.)

# %% [markdown] tags=["answer", "solution"]
# Before training the weights are nothing but random numbers, so the pictures of [1-5] look like noise on a screen.
# Training changes the 25 weights of every filter step by step, along the gradient that back-propagation computes, in the
# direction that lowers the cross-entropy. What tells handwritten digits apart is where strokes begin, end, bend and in
# which direction they run, and all of these are places where light pixels lie next to dark ones. A filter whose weights
# are positive on one side and negative on the other responds strongly at an edge of that direction, and its response
# survives the ReLU and reaches the dense layers. That is why light and dark areas in [1-11] resemble vertical, horizontal
# and diagonal edges or short strokes. The directions differ because every filter starts from other values, and because
# the loss falls further when each of them specialises in something else. A few filters stay close to noise: the others
# are enough for the task, so that hardly any gradient reached them.

# %% [markdown] tags=["task"]
# ## Task B2-1-2 Compare with the BPNN (B1-2, last time) on little training data
#
# Train the CNN on only 600 images (data_size=600) and measure its performance on the test data.
# Answer these questions:
#
# - How does it perform compared with a BPNN that was trained on the same 600 images?
# - What, do you think, caused the difference?
#
# For the BPNN you may quote the accuracy that you got in B1-2 (give the figure), or train it again in this notebook.
#
# **Hints** You may use the following code as it is or change it.
#
# - Take 600 training images (into other variables, so that the full X_train and y_train are not lost)
#
# ```python
# (X_small, y_small), _ = get_data_mnist(data_size=600)
# ```
#
# - Build the model and prepare its training (the dense layer has 128 units)
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
# - Train it (with so little data, for 50 epochs)
#
# ```python
# small_log = small_model.fit(X_small, y_small, batch_size=128, epochs=50, validation_split=0.1)
# ```
#
# - Measure it on the test data
#
# ```python
# small_loss, small_accuracy = small_model.evaluate(X_test, y_test, verbose=0)
# print(f"loss: {small_loss:.4f}  accuracy: {small_accuracy:.4f}")
# ```

# %% tags=["placeholder"]
# Write the code of your experiments here. Add as many cells as you like.

# %% tags=["solution"]
# both networks are trained on these same 600 images
(X_small, y_small), _ = get_data_mnist(data_size=600)
print("images of each digit among the 600:", np.bincount(y_small, minlength=10))

# %% tags=["solution"]
# the network with a convolution
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
# the network without one (BPNN): the same images and the same training, only the layers differ
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
# both on the test data, side by side
print("model       loss accuracy parameters")
test_scores = {}
for name, network in [("CNN", cnn), ("BPNN", bpnn)]:
    test_scores[name] = network.evaluate(X_test, y_test, verbose=0)
    print(f"{name:<8}{test_scores[name][0]:>8.4f}{test_scores[name][1]:>9.4f}{network.count_params():>11,}")
print(f"difference in accuracy (CNN - BPNN): {test_scores['CNN'][1] - test_scores['BPNN'][1]:+.4f}")

# %% [markdown] tags=["answer", "placeholder"]
# **Your answer to B2-1-2**
#
# (Delete this line and write your comparison and discussion here.)

# %% [markdown] tags=["answer", "solution"]
# With 600 images the CNN is ahead of the BPNN by a few percentage points of test accuracy (see the table above). Both
# networks fit their training images almost perfectly, so the difference is not whether they could learn them but how
# well what they learned carries over to images they have not seen. I think that the cause is what each architecture
# assumes about images. The BPNN gives each of the 784 pixels weights of its own and does not know which pixels are
# neighbours: the same digit drawn a little further to the right is a new input, and every such variation has to be seen
# in the data, for which 600 images are too few. The CNN applies one and the same 5×5 filter everywhere, so an edge that
# was learned in one place is recognised in all others, and max pooling makes shifts of a pixel or two almost
# irrelevant. It cannot be a matter of fewer weights, for the CNN has more of them in total because of its dense layer:
# locality and weight sharing make the difference. On the full training set the gap is smaller, which fits: with enough
# data a BPNN can learn the variations too.
