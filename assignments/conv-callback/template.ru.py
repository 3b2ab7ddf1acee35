# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# Номер студенческого билета :
#
# ФИО :
#
# Электронная почта :

# %% [markdown]
# # Свёртки и обратные вызовы
#
# Fashion-MNIST — это фотографии одежды и обуви десяти видов. Сначала вы сравните на них две сети: в одной только
# полносвязные слои, в другой перед ними стоят свёрточные. Затем вы сами будете менять устройство сети, а в конце напишете
# обратный вызов (callback), который останавливает обучение, когда цель достигнута.
#
# План работы:
#
# 1. Обучить полносвязную и свёрточную сети и посмотреть на выходы слоёв ([1-0]–[1-6]).
# 2. Выяснить, как число свёрток и фильтров влияет на точность и время обучения (упражнение 2-1, пункты (1)–(4)).
# 3. Написать обратный вызов, который досрочно завершает обучение на рукописных цифрах MNIST (упражнение 3-1, пункт (5)).
#
# Выполняйте ячейки сверху вниз и по ходу дела рассматривайте рисунки и числа.
# Перед сдачей перезапустите ядро, выполните все ячейки и убедитесь, что они доходят до конца без ошибок.

# %% [markdown]
# ## 1. Что дают свёртки
#
# ### Подготовка

# %%
# [1-0]
import matplotlib.pyplot as plt
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

print("TensorFlow", tf.__version__)

# %% [markdown]
# ### Полносвязная сеть
#
# Начнём с сети, которая выстраивает 28×28 пикселей изображения в один ряд и передаёт их полносвязным слоям.
# Запишите точность на тестовых данных (долю верно распознанных изображений), которая выводится в конце: она понадобится
# для сравнения.

# %%
# [1-1]
mnist = keras.datasets.fashion_mnist
(training_images, training_labels), (test_images, test_labels) = mnist.load_data()
# значения пикселей 0..255 переводятся в 0..1
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
print(f"полносвязная сеть  точность на тестовых данных: {test_acc:.4f}")

# %% [markdown]
# ### Свёртка и подвыборка
#
# Полносвязный слой не знает, какие пиксели соседние. А ведь многое из того, по чему мы узнаём предмет, — край рукава, линия
# подошвы — это перепад яркости между соседними пикселями. Его и находит **свёртка**.
#
# Свёрточный слой двигает по изображению небольшой набор весов, например 3×3 (**фильтр**), шаг за шагом по одному пикселю,
# умножает веса на пиксели под ними и складывает произведения. Возьмём фильтр, у которого в левом столбце стоят -1, в среднем
# 0, в правом 1. Там, где яркость одинакова, он даст 0, а на границе, где слева темно, а справа светло, — большое число.
# Какими будут веса, определяет обучение.
#
# За свёрткой часто следует слой **подвыборки** (пулинга). Подвыборка по максимуму 2×2 оставляет из четырёх значений
# наибольшее. Ширина и высота уменьшаются вдвое, данных остаётся четверть, но сведения о том, что признак встретился где-то
# здесь, сохраняются.
#
# В следующей сети размер данных меняется от слоя к слою так:
#
# | слой | что делает | размер на выходе |
# |---|---|---|
# | вход | изображение в оттенках серого | 28×28×1 |
# | свёртка | 64 фильтра 3×3, ReLU | 26×26×64 |
# | подвыборка | 2×2 | 13×13×64 |
# | свёртка | 64 фильтра 3×3, ReLU | 11×11×64 |
# | подвыборка | 2×2 (лишний крайний пиксель отбрасывается) | 5×5×64 |
# | выпрямление | выстраивает всё в один ряд | 1600 |
# | полносвязный | ReLU | 128 |
# | полносвязный (выход) | softmax | 10 |
#
# Свёрточный слой принимает четырёхмерный массив: *изображения × высота × ширина × каналы*. У изображения в оттенках серого
# канал один, поэтому 28×28 нужно превратить в 28×28×1.

# %%
# [1-2]
training_images = training_images.reshape(-1, 28, 28, 1)
test_images = test_images.reshape(-1, 28, 28, 1)
print("обучающие:", training_images.shape, " тестовые:", test_images.shape)

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
# Посмотрите в таблице `model.summary()`, как от слоя к слою меняется размер и в каком слое больше всего весов (Param).
#
# Следующая ячейка обучает сеть. На процессоре без видеокарты это может занять несколько минут.

# %%
# [1-4]
model.fit(training_images, training_labels, epochs=5)
test_loss, test_acc = model.evaluate(test_images, test_labels, verbose=0)
print(f"свёрточная сеть  точность на тестовых данных: {test_acc:.4f}")

# %% [markdown]
# Сравните это число с точностью из [1-1]. Обучающие данные те же, а точность должна была вырасти.
#
# Если есть время, увеличьте число эпох примерно до 20. На обучающих данных точность будет расти и дальше, а на тестовых
# в какой-то момент перестанет: сеть запоминает мелкие особенности обучающих изображений, которые не помогают с теми, каких
# она ещё не видела. Это называется **переобучением**.
#
# ### Выходы слоёв
#
# Посмотрим, на какие части изображения откликаются слои обученной сети. Сначала выведем метки первых 100 тестовых изображений.

# %%
# [1-5]
print(test_labels[:100])

# %% [markdown]
# У изображений с номерами 0, 23 и 28 метка 9 — ботинки. Пропустим их через сеть и нарисуем, что выдаёт фильтр с номером
# CONVOLUTION_NUMBER в слоях свёртки и подвыборки. Есть ли у трёх ботинок часть, на которую сеть откликается одинаково?
# Попробуйте и другие изображения и фильтры.

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
# ## 2. Меняем устройство сети
#
# ### Упражнение 2-1 Опыты со свёртками
#
# За основу возьмите сеть из [1-3], но с 32 фильтрами в каждой из двух свёрток.
# Обучите её и сети, которые получаются после изменений (1)–(4), и сравните их.
#
# - (1) Вместо 32 фильтров возьмите 16, а потом 64.
# - (2) Уберите последнюю свёртку (вместе с подвыборкой за ней).
# - (3) Добавьте ещё одну свёртку. Сначала скажите, чего вы ожидаете, потом проверьте.
# - (4) Из сети пункта (3) уберите все свёртки, кроме первой. Все слои подвыборки остаются.
#
# Как каждое изменение влияет на точность на тестовых данных и на время обучения? Приведите числа и объясните, почему, на ваш
# взгляд, так получилось.
#
# Чтобы сэкономить время, можно взять меньше изображений или эпох, но для всех сравниваемых сетей условия должны быть одинаковы.
#
# **Подсказка** Время обучения можно измерить так:
#
# ```python
# import time
#
# start = time.perf_counter()
# # здесь идёт обучение
# seconds = time.perf_counter() - start
# ```

# %% tags=["placeholder"]
# Напишите здесь код пунктов (1)–(4). Ячейки можно добавлять.

# %% tags=["solution"]
import time

n_images, n_epochs = 12000, 3  # для всех сетей одинаково


def measure(title, stages):
    """Обучает сеть из ступеней stages и выводит точность и время. Число — свёртка с подвыборкой, "pool" — только подвыборка."""
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
    print(f"{title:<16} точность {accuracy:.4f}   время {seconds:5.1f} с   весов {network.count_params():>7,}")


# %% tags=["solution"]
# (1) основа с 32 фильтрами, затем 16 и 64
for n_filters in (32, 16, 64):
    measure(f"(1) {n_filters}-{n_filters}", [n_filters, n_filters])

# %% tags=["solution"]
# (2) без последней свёртки  (3) с третьей  (4) из этих трёх только первая
measure("(2) 32", [32])
measure("(3) 32-32-32", [32, 32, 32])
measure("(4) 32-pool-pool", [32, "pool", "pool"])

# %% [markdown] tags=["answer", "placeholder"]
# **Ваш ответ к 2-1**
#
# (Удалите эту строку и напишите здесь результаты (1)–(4) и свои выводы.)

# %% [markdown] tags=["answer", "solution"]
# Числа приведены в таблицах выше. Каждая сеть видела только 12 000 изображений и училась три эпохи, поэтому точность ниже,
# чем в [1-4].
#
# (1) С 16 фильтрами сеть обучалась чуть быстрее, но точность оказалась на один-два процентных пункта ниже. С 64 фильтрами время
# выросло, а точность поднялась на 0,5–1 пункт. Чем больше фильтров, тем больше видов признаков, но каждый следующий стоит
# столько же времени, а пользы приносит меньше.
#
# (2) С одной свёрткой точность оказалась даже примерно на два пункта выше, чем у исходной сети, а обучение почти не ускорилось.
# Вычисления второй свёртки отпали, зато в полносвязный слой приходят 13×13×32 значений, и всего весов стало в шесть раз больше.
# При таком коротком обучении мелкие детали, не потерянные при подвыборке, видимо, полезнее признаков более высокого уровня.
#
# (3) Третья свёртка пользы не принесла: точность упала на несколько пунктов. После трёх подвыборок от изображения остаётся 1×1, и
# сведений о положении почти нет; к тому же более глубокой сети трёх эпох мало. Глубина должна соответствовать размеру изображения.
#
# (4) Когда осталась только первая свёртка с тремя подвыборками, обучение шло быстро, но точность заметно ниже, чем в (2).
# Сама по себе подвыборка лишь уменьшает изображение и не создаёт новых признаков, а детали пропадают. Каждая сеть обучалась один
# раз, поэтому разница меньше одного пункта может быть случайной.

# %% [markdown] tags=["task"]
# ## 3. Остановка по достижении цели
#
# Если задать эпох с запасом, время уходит впустую, когда точность уже достаточна, а обучение всё продолжается. В Keras от этого
# избавляет **обратный вызов** (callback): объект, который передают в `fit` и к которому Keras обращается во время обучения.
#
# - Обратный вызов — это класс, производный от `keras.callbacks.Callback`; подойдёт и `LambdaCallback`.
# - В конце каждой эпохи вызывается его метод `on_epoch_end`. Он получает номер эпохи и словарь `logs` с её результатами.
#   Ключ функции потерь — `"loss"`, ключ точности — имя, указанное в `metrics` при вызове `compile`, здесь `"accuracy"`.
# - Когда атрибут модели `stop_training` равен `True`, обучение завершается вместе с этой эпохой.
#
# ### Упражнение 3-1 Обратный вызов, следящий за точностью
#
# - (5) Напишите обратный вызов, который останавливает обучение, как только точность на обучающих данных (`accuracy`) превысит
#   0.995 (99,5 %). Передайте его в `fit`, обучайте модель из [3-0] не более 10 эпох и посмотрите, на какой эпохе она
#   остановилась и какова её точность на тестовых данных.
#
# **Подсказка** Без обратного вызова обучение выглядит так:
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
# Напишите здесь код пункта (5).

# %% tags=["solution"]
class StopAboveAccuracy(keras.callbacks.Callback):
    """Завершает обучение той эпохой, в которой точность на обучающих данных превысила level."""

    def __init__(self, level):
        super().__init__()
        self.level = level

    def on_epoch_end(self, epoch, logs=None):
        reached = (logs or {}).get("accuracy", 0.0)
        if reached > self.level:
            print(f"\nЭпоха {epoch + 1}: точность {reached:.4f} выше {self.level}, обучение завершено.")
            self.model.stop_training = True


# %% tags=["solution"]
history = model.fit(training_images, training_labels, epochs=10, callbacks=[StopAboveAccuracy(0.995)])
test_loss, test_acc = model.evaluate(test_images, test_labels, verbose=0)
print(f"обучение заняло эпох: {len(history.epoch)}  точность на тестовых данных: {test_acc:.4f}")
