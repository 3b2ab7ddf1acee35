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
# # Classifying images by fine-tuning VGG16
#
# A model that has already learned from a great many images is a good place to start from: it takes little data and little
# time to make it good at something new. Here VGG16, trained on ImageNet, becomes a model that tells ten kinds of colour
# images apart.
#
# | section | what it is about | task |
# |---|---|---|
# | 1 | loading CIFAR-10 and looking at it | |
# | 2 | bringing images and labels into the form that training needs | 2 |
# | 3 | putting dense layers of your own on top of VGG16 | 3 |
# | 4 | choosing the layers that stay as they are, and compiling | 4 |
# | 5 | training, measuring, saving | 5 |
#
# Please keep to the names in the text (`X_train`, `Y_train`, `vgg16`, `top_model`, `model`, `history` …) where you can.
# Without a GPU the training at the end takes more than an hour: first make `epoch` small and see that everything runs.

# %% [markdown]
# ## 1 CIFAR-10
#
# CIFAR-10 is a collection of photographs of ten kinds: airplane, automobile, bird, cat, deer, dog, frog, horse, ship and
# truck. Each is 32×32 pixels with three channels, red, green and blue. 50,000 are for training and 10,000 for testing.
# The test images are for nothing but measuring the finished model.

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
class_names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
_, axes = plt.subplots(2, 5, figsize=(8, 3.6))
for number, ax in enumerate(axes.flat):
    first = np.flatnonzero(Y_train[:, 0] == number)[:1]
    for i in first:
        ax.imshow(X_train[i])
    ax.set_title(f"{number} {class_names[number]}", fontsize=9)
    ax.axis("off")
plt.show()

# %% [markdown]
# ## 2 Preparing images and labels
#
# Pixel values are whole numbers from 0 to 255; we turn them into fractions from 0 to 1.

# %%
# [2-1]
X_train = X_train.astype("float32") / 255
X_test = X_test.astype("float32") / 255
nb_category = 10

# %% [markdown] tags=["task"]
# ### Task 2 One-hot labels
#
# A label is a number from 0 to 9, but the number is only the name of a kind: neither its size nor its order means anything
# (a nominal scale). So each label becomes a vector that is 1 in the place of its kind and 0 everywhere else. This is called
# one-hot encoding: of four kinds, number 2 becomes $[0, 0, 1, 0]$.
#
# Use a function of `keras.utils` to replace `Y_train` and `Y_test` by their one-hot form, and print the shapes.

# %% tags=["placeholder"]
# [2-2]
# Write your code here.

# %% tags=["solution"]
# [2-2]
Y_train = keras.utils.to_categorical(Y_train, nb_category)
Y_test = keras.utils.to_categorical(Y_test, nb_category)
print(Y_train.shape, Y_test.shape)

# %% [markdown] tags=["given"]
# ## 3 Dense layers on top of VGG16
#
# VGG16 has 13 convolutional and 3 dense layers. `keras.applications` has it, with the weights that it learned.
#
# | argument | meaning |
# |---|---|
# | `include_top` | whether to have the 3 dense layers at the end, which tell 1000 kinds apart |
# | `weights` | `"imagenet"` for the learned weights, `None` for random ones |
# | `input_shape` | shape of the input images; yours to choose with `include_top=False` |
#
# The 3 dense layers are made for 1000 kinds, so we leave them out and put layers for ten kinds in their place.

# %% [markdown] tags=["task"]
# ### Task 3 Build the model
#
# 1. Load VGG16 with the weights from ImageNet, without its dense layers, for images of the shape of CIFAR-10; call it
#    `vgg16`.
# 2. Make `top_model`, a stack of the layers below.
# 3. Make one model, `model`, of the two: the output of `vgg16` goes into `top_model`.
#
# | layer | settings |
# |---|---|
# | flatten | makes one vector of the output of `vgg16` |
# | dense | 256 units, ReLU |
# | batch normalisation | evens out the distribution of the values, so that training is stable |
# | dropout | rate 0.5 |
# | dense (output) | `nb_category` units, softmax |

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
# ## 4 Getting ready to fine-tune
#
# Early layers pick out what all images have in common, edges and textures; the later a layer, the more special to the
# images that it learned from. So we keep the weights of the early layers and let training change the late ones only: this
# is fine-tuning. Leaving all of the base as it is, and training nothing but the new layers, often goes by another name,
# transfer learning.

# %% [markdown] tags=["task"]
# ### Task 4 Choose the layers that stay
#
# 1. Keep training from changing the first 15 layers of `model`: from the input to `block4_pool`, the pooling of block 4.
#    Block 5 and `top_model` go on being changed.
# 2. Show the summary of `model`.
# 3. Compile `model` with Adam, the loss function that belongs to one-hot labels, and accuracy as its metric.
#
# What may change has to be settled before compiling.

# %% tags=["placeholder"]
# [4-1]
# Write your code here.

# %% tags=["solution"]
# [4-1]
for layer in model.layers[:15]:
    layer.trainable = False
model.summary()
model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])

# %% [markdown] tags=["given"]
# ## 5 Training and results
#
# With the argument `validation_split`, `fit` sets that share of the training data aside, from the end, for validation.

# %% [markdown] tags=["task"]
# ### Task 5 Train, measure, save
#
# 1. Train for `epoch` epochs with batches of 32, keeping one tenth of the training data for validation; call what `fit`
#    returns `history`. Let `epoch` be 30; if that takes too long, it may be less, but at least 5.
# 2. Measure loss and accuracy on the test images, and print them.
# 3. Save the trained `model` to a file.
# 4. Draw how the accuracy went from epoch to epoch, on the training and on the validation data.

# %% tags=["placeholder"]
# [5-1]
epoch = 30
# 1. training

# %% tags=["solution"]
# [5-1]
epoch = 30
history = model.fit(X_train, Y_train, batch_size=32, epochs=epoch, validation_split=0.1)

# %% tags=["placeholder"]
# [5-2]
# 2. measuring and 3. saving

# %% tags=["solution"]
# [5-2]
score = model.evaluate(X_test, Y_test, verbose=0)
print(f"test loss : {score[0]:.4f}  test accuracy : {score[1]:.4f}")
model.save("CIFAR-10.keras")

# %% tags=["placeholder"]
# [5-3]
# 4. curves

# %% tags=["solution"]
# [5-3]
epochs_run = range(1, len(history.history["accuracy"]) + 1)
plt.plot(epochs_run, history.history["accuracy"], label="training")
plt.plot(epochs_run, history.history["val_accuracy"], label="validation")
plt.xlabel("epoch")
plt.ylabel("accuracy")
plt.legend()
plt.show()
