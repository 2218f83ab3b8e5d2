"""Models with a train step or an evaluation of their own, each with a fault."""

from typing import Any

import keras


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


class TestsByBatch(keras.Model):
    """Evaluates in training mode."""

    def test_step(self, data: Any) -> Any:
        x, y = data
        return self.compute_metrics(x, y, self(x, training=True))
