# %% [markdown]
# Student number : 21X4002
#
# Name : Emily Tanaka
#
# E-mail : emily.tanaka.4x@example.ac.jp

# %% [markdown]
# # B2-1
# I rewrote the notebook with the functional API and put everything that is needed twice into functions.

# %%
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

L = tf.keras.layers


def load(n=None):
    (a, b), (c, d) = tf.keras.datasets.mnist.load_data()
    scale = lambda v: (v / 255.0).astype("float32").reshape(-1, 28, 28, 1)
    return scale(a[:n]), b[:n], scale(c), d


def build(hidden, with_conv=True):
    image = tf.keras.Input((28, 28, 1))
    h = image
    if with_conv:
        h = L.Conv2D(32, (5, 5), activation="relu")(h)
        h = L.MaxPool2D((2, 2))(h)
    h = L.Flatten()(h)
    h = L.Dense(hidden, activation="relu")(h)
    net = tf.keras.Model(image, L.Dense(10, activation="softmax")(h))
    net.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return net


def show_filters(net, title):
    w = next(layer for layer in net.layers if isinstance(layer, L.Conv2D)).get_weights()[0]
    fig, ax = plt.subplots(4, 8, figsize=(8, 4))
    for k in range(32):
        ax.flat[k].imshow(w[..., 0, k], cmap="gray")
        ax.flat[k].set_axis_off()
    fig.suptitle(title)
    plt.show()


# %% [markdown]
# ## B2-1-2 first, because it is quick

# %%
few_images, few_labels, unseen_images, unseen_labels = load(600)
results = {}
for kind in ("CNN", "BPNN"):
    candidate = build(128, with_conv=kind == "CNN")
    candidate.fit(few_images, few_labels, batch_size=128, epochs=50, validation_split=0.1, verbose=0)
    results[kind] = candidate.evaluate(unseen_images, unseen_labels, verbose=0)[1]
    print(f"{kind:5s} trained on {len(few_images)} images: accuracy {results[kind]:.4f} on {len(unseen_images)} test images")
plt.bar(list(results), list(results.values()))
plt.ylabel("test accuracy")
plt.show()

# %% [markdown]
# ### My answer to B2-1-2
# The CNN is better than the BPNN when both see the same 600 images (bar chart above). A fully connected layer connects
# every pixel to every unit with its own weight, so it has to learn a stroke again for each position where it can appear.
# A convolution uses the same small set of weights at every position, and pooling keeps only whether a feature is roughly
# there. This is knowledge about images that the CNN does not need to learn from examples, which is why it matters most
# when there are few examples.

# %% [markdown]
# ## The base model

# %%
images, labels, unseen_images, unseen_labels = load()
base = build(20)
base.summary()
show_filters(base, "before training")
print("untrained:", base.evaluate(unseen_images, unseen_labels, verbose=0))

# %%
history = base.fit(images, labels, batch_size=128, epochs=10, validation_split=0.1, verbose=2)
plt.plot(history.history["accuracy"], label="training")
plt.plot(history.history["val_accuracy"], label="validation")
plt.legend()
plt.show()

# %%
show_filters(base, "after training")
print("trained:", base.evaluate(unseen_images, unseen_labels, verbose=0))
guess = np.argmax(base.predict(unseen_images, verbose=0), axis=1)
print("wrong:", np.sum(guess != unseen_labels))

# %% [markdown]
# ### My answer to B2-1-1
# At first the filters are random, so there is nothing to see in them. Gradient descent changes them so that the loss gets
# smaller, and the loss gets smaller when the filters pass on what differs between digits. Digits are white strokes on
# black, so the useful information is where the brightness changes and in which direction. Most filters after training
# have a bright band next to a dark band, at various angles, like hand-made edge detectors. They are not the same because
# they started from different random values and a second copy of a filter would not reduce the loss any further.
