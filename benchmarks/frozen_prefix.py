"""Training a head: on cached features, and by the recipe of Keras's transfer-learning guide."""

import keras
import numpy as np

import tfbn
from benchmarks.common import Row, Way, compare
from benchmarks.networks import cifar


def run(quick: bool) -> list[Row]:
    network = cifar(8, 8) if quick else cifar(20)
    images, epochs, batch = (24, 2, 8) if quick else (4096, 10, 64)
    rng = np.random.default_rng(0)
    x = rng.normal(1, 2, (images, *network.shape[1:])).astype("float32")
    y = rng.integers(0, 10, images)

    def compiled(base: keras.Model, **call: bool) -> keras.Model:
        inputs = keras.Input(network.shape[1:])
        outputs = keras.layers.Dense(10, activation="softmax")(base(inputs, **call))
        model = keras.Model(inputs, outputs)
        model.compile("adam", "sparse_categorical_crossentropy", jit_compile=False)
        return model

    def features_of(model: keras.Model) -> keras.Model:
        return keras.Model(model.input, model.get_layer("head_pool").output)

    stock, ours = features_of(network.stock()), features_of(network.build())

    def recipe() -> None:
        stock.trainable = False
        compiled(stock, training=False).fit(x, y, batch_size=batch, epochs=epochs, verbose=0)

    def cached() -> None:
        model = compiled(ours)
        tfbn.freeze(model, ours.name, training=False)
        features = tfbn.cache_features(model, x, y, batch_size=batch, verbose=False)
        data = features.data.shuffle(images).batch(batch)
        features.rest.fit(data, epochs=epochs, verbose=0, shuffle=False)

    return compare(
        f"{network.name}, {epochs} epochs of a head, {images} images, tracing included",
        Way("the guide: trainable=False, base(x, training=False), fit", recipe),
        Way("tfbn.cache_features, then fit of the rest", cached, 0.15),
        rounds=1 if quick else 2,
        warm_up=0,
    )
