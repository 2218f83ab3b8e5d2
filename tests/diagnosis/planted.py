"""Faults that only training shows, each planted in a network: what to train, and the name to find."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

import tfbn

BATCH, STEPS, CLASSES = 16, 50, 3
LOSS = "sparse_categorical_crossentropy"


def convolutional() -> Any:
    return tfbn.models.build("resnet8", width=4, input_shape=(12, 12, 1), classes=CLASSES, momentum=0.9)


def dense() -> Any:
    layers = [keras.Input((6,)), keras.layers.Dense(8), keras.layers.BatchNormalization(momentum=0.9)]
    layers += [keras.layers.ReLU(), keras.layers.Dense(8), keras.layers.BatchNormalization(momentum=0.9)]
    return keras.Sequential([*layers, keras.layers.ReLU(), keras.layers.Dense(CLASSES, "softmax")])


NETWORKS: dict[str, Callable[[], Any]] = {"convolutional": convolutional, "dense": dense}


def data(shape: tuple[int, ...], seed: int, number: int = BATCH * STEPS) -> tuple[np.ndarray, np.ndarray]:
    """Classes with a pattern of their own each, in noise."""
    rng = np.random.default_rng(seed)
    patterns = np.random.default_rng(1000 + seed).normal(size=(CLASSES, *shape))
    y = rng.integers(0, CLASSES, number)
    return (patterns[y] + rng.normal(2, 1.5, (number, *shape))).astype("float32"), y


def compiled(model: Any, optimizer: Any = None) -> Any:
    model.compile(optimizer or keras.optimizers.SGD(0.05), LOSS, metrics=["accuracy"])
    return model


def train(model: Any, x: Any, y: Any, doctor: Any, **arguments: Any) -> None:
    """The batches as they come."""
    arguments = {"batch_size": BATCH, "shuffle": False, "verbose": 0} | arguments
    model.fit(x, y, callbacks=[doctor], **arguments)


def other_domain(x: np.ndarray) -> np.ndarray:
    return 0.4 * x + 3


# The faults. Each takes a network, data and a doctor.


def one_class_a_batch(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    pools = {c: np.flatnonzero(y == c) for c in range(CLASSES)}
    turns = np.random.default_rng(0).integers(0, CLASSES, STEPS)
    order = np.concatenate([pools[c][np.arange(BATCH) + 2 * i] for i, c in enumerate(turns)])
    train(compiled(model), x[order], y[order], doctor)


def sorted_by_class(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    order = np.argsort(y + np.random.default_rng(0).normal(0, 0.35, len(y)))
    train(compiled(model), x[order], y[order], doctor)


def first_class_only(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    order = np.argsort(y, kind="stable")[: BATCH * 12]
    train(compiled(model), x[order], y[order], doctor)


def two_halves(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    second = np.arange(len(x)) % BATCH >= BATCH // 2
    train(compiled(model), np.where(_like(second, x), other_domain(x), x), y, doctor)


def odd_and_even(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    odd = np.arange(len(x)) % 2 == 1
    train(compiled(model), np.where(_like(odd, x), other_domain(x), x), y, doctor)


def step_by_step(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    odd = np.arange(len(x)) // BATCH % 2 == 1
    train(compiled(model), np.where(_like(odd, x), other_domain(x), x), y, doctor)


def siamese(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    one, two = (keras.Input(model.input_shape[1:]) for _ in range(2))
    outputs = keras.layers.Add()([model(one), model(two)])
    both = keras.Model([one, two], keras.layers.Softmax()(outputs))
    train(compiled(both), [x, other_domain(x[::-1])], y, doctor)


class Own(keras.Model):
    """A model with a train step of its own around a network."""

    def __init__(self, network: Any):
        super().__init__()
        self.network = network
        self.seed = keras.random.SeedGenerator(1)
        self.build((None, *network.input_shape[1:]))

    def build(self, shape: Any) -> None:
        self.built = True

    def call(self, x: Any, training: bool | None = None) -> Any:
        return self.network(x, training=training)

    def own_loss(self, x: Any, y: Any) -> Any:
        raise NotImplementedError

    def train_step(self, data: Any) -> Any:
        import tensorflow as tf

        x, y = data
        with tf.GradientTape() as tape:
            loss = self.own_loss(x, y)
        gradients = tape.gradient(loss, self.network.trainable_variables)
        self.optimizer.apply(gradients, self.network.trainable_variables)
        return {"loss": loss}


class Adversarial(Own):
    """The network as the discriminator, called on what is real and on what is made."""

    def own_loss(self, x: Any, y: Any) -> Any:
        real, made = (self.network(each, training=True)[:, 0] for each in (x, 0.3 * x[::-1] - 1))
        return keras.ops.mean(keras.ops.square(real - 1) + keras.ops.square(made))


class Perturbed(Own):
    """A second pass in training mode, on noise, for a term of the loss."""

    def own_loss(self, x: Any, y: Any) -> Any:
        second = self(keras.random.normal(keras.ops.shape(x), seed=self.seed), training=True)
        first = self(x, training=True)
        return keras.ops.mean(keras.losses.sparse_categorical_crossentropy(y, first) + second[:, 0])


class Twice(Own):
    """The same batch again, for the metrics."""

    def own_loss(self, x: Any, y: Any) -> Any:
        loss = keras.ops.mean(keras.losses.sparse_categorical_crossentropy(y, self(x, training=True)))
        self(x, training=True)
        return loss


@keras.saving.register_keras_serializable("planted")
class Recomputed(keras.layers.Layer):
    """A network whose activations are computed again for the gradient."""

    def __init__(self, network: Any):
        super().__init__()
        self.network = network

    def call(self, x: Any, training: bool | None = None) -> Any:
        import tensorflow as tf

        return tf.recompute_grad(lambda x: self.network(x, training=training))(x)


def own(kind: type[Own]) -> Callable:
    def plant(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
        model = kind(model)
        model.compile(keras.optimizers.SGD(0.05))
        train(model, x, y, doctor)

    plant.__name__ = kind.__name__.lower()
    return plant


def recomputed(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    inputs = keras.Input(model.input_shape[1:])
    train(compiled(keras.Model(inputs, Recomputed(model)(inputs))), x, y, doctor)


def accumulated(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    train(compiled(model, keras.optimizers.SGD(0.05, gradient_accumulation_steps=4)), x, y, doctor)


def growing(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    for named in tfbn.traversal.batch_normalizations(model):
        named.layer.momentum = 0.99
    growth = np.exp(np.arange(len(x)) // BATCH / 8)
    train(compiled(model), _like(growth, x) * x, y, doctor)


def toggled(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    compiled(model).fit(x[:BATCH], y[:BATCH], verbose=0)
    for named in tfbn.traversal.batch_normalizations(model):
        named.layer.trainable = False
    train(model, x, y, doctor)


class TestsByBatch(keras.Model):
    """Evaluates in training mode."""

    def test_step(self, data: Any) -> Any:
        x, y = data
        return self.compute_metrics(x, y, self(x, training=True))


def evaluated_in_training(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    wrong = TestsByBatch(model.inputs, model.outputs)
    train(compiled(wrong), x, y, doctor, validation_data=(x[:32], y[:32]))


def validated_in_bytes(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    train(compiled(model), x, y, doctor, validation_data=(255 * x[:64], y[:64]))


def validated_symmetrically(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    low, high = x.min(), x.max()
    unit = (x - low) / (high - low)
    train(compiled(model), unit, y, doctor, validation_data=(2 * unit[:64] - 1, y[:64]))


def other_labels(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    validation = x[:64], (y[:64] + 1) % CLASSES
    train(compiled(model, keras.optimizers.Adam(0.01)), x, y, doctor, validation_data=validation)


def ragged_end(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    end = 10 * BATCH + 1
    train(compiled(model), x[:end], y[:end], doctor, epochs=4)


def tiny_batches(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    size = 1 if len(model.input_shape) > 2 else 8
    train(compiled(model), x[: 50 * size], y[: 50 * size], doctor, batch_size=size)


def infinite_value(model: Any, x: np.ndarray, y: np.ndarray, doctor: Any) -> None:
    x = x.copy()
    x[30 * BATCH] = np.inf
    train(compiled(model), x, y, doctor)


# What is planted -> the name of its finding.
PLANTED: dict[Callable, str] = {
    one_class_a_batch: "one-class-batches",
    first_class_only: "one-class-batches",
    sorted_by_class: "sorted-batches",
    two_halves: "mixed-domains",
    odd_and_even: "mixed-domains",
    step_by_step: "alternating-domains",
    siamese: "alternating-domains",
    own(Adversarial): "alternating-domains",
    own(Perturbed): "second-forward-pass",
    own(Twice): "updates-twice",
    recomputed: "updates-twice",
    accumulated: "gradient-accumulation",
    growing: "lagging-statistics",
    toggled: "held-statistics-moved",
    evaluated_in_training: "training-in-evaluate",
    validated_in_bytes: "validation-range",
    validated_symmetrically: "validation-range",
    other_labels: "not-batch-normalization",
    ragged_end: "small-last-batch",
    tiny_batches: "few-values",
    infinite_value: "broken-statistics",
}


def _like(chosen: np.ndarray, x: np.ndarray) -> np.ndarray:
    return chosen.reshape(-1, *[1] * (x.ndim - 1))
