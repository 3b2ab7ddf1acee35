# %% [markdown]
# Student number : 21X4102
#
# Name : Daniel Mori
#
# E-mail : daniel.mori.4x@example.ac.jp

# %% [markdown]
# # Fine-tuning VGG16, my version

# %%
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

(images, labels), (test_images, test_labels) = tf.keras.datasets.cifar10.load_data()
scale = lambda a: (a / 255.0).astype(np.float32)
images, test_images = scale(images), scale(test_images)
one_hot = np.eye(10, dtype="float32")
targets, test_targets = one_hot[labels.ravel()], one_hot[test_labels.ravel()]

# %% [markdown]
# ## The model: everything in one Sequential

# %%
backbone = tf.keras.applications.VGG16(include_top=False, input_shape=(32, 32, 3))
for layer in backbone.layers:
    layer.trainable = layer.name.startswith("block5")

net = tf.keras.Sequential(
    [
        backbone,
        tf.keras.layers.Flatten(),
        tf.keras.layers.Dense(256),
        tf.keras.layers.ReLU(),
        tf.keras.layers.BatchNormalization(),
        tf.keras.layers.Dropout(0.4),
        tf.keras.layers.Dense(10),
        tf.keras.layers.Softmax(),
    ]
)
net.compile(tf.keras.optimizers.Adam(1e-4), tf.keras.losses.CategoricalCrossentropy(), metrics=["accuracy"])
print([(layer.name, layer.trainable) for layer in backbone.layers])

# %% [markdown]
# ## Training, with the last tenth set aside by hand

# %%
cut = len(images) * 9 // 10
stop = tf.keras.callbacks.EarlyStopping(patience=3, restore_best_weights=True)
log = net.fit(
    images[:cut],
    targets[:cut],
    validation_data=(images[cut:], targets[cut:]),
    batch_size=32,
    epochs=20,
    callbacks=[stop],
    verbose=2,
)

# %%
test_loss, test_accuracy = net.evaluate(test_images, test_targets, verbose=0)
print("on the test images: loss", round(test_loss, 4), "accuracy", round(test_accuracy, 4))
net.save("fine_tuned.h5")

# %%
for key in ("accuracy", "val_accuracy"):
    plt.plot(log.history[key], label=key)
plt.legend()
plt.show()
