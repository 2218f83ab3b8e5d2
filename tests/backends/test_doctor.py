"""The doctor on the backend that Keras uses: it names faults, and trains to the same bits."""

import keras
import numpy as np
import pytest

import tfbn
from tfbn.layers import BatchNormalization

STEPS = 12  # of 16 examples each


def network(momentum=0.5):
    norm = BatchNormalization(momentum=momentum)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(5), norm, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def images(rng):
    return rng.normal(3, 2, (16 * STEPS, 4)).astype("float32")


def fit(x, *callbacks, **network_arguments):
    """Trains a network from the seed's weights; returns it, and its loss by epoch."""
    keras.utils.set_random_seed(3)
    model = network(**network_arguments)
    history = model.fit(
        x, x[:, :1], batch_size=16, epochs=2, shuffle=False, verbose=0, callbacks=list(callbacks)
    )
    return model, history.history["loss"]


def unexamined():
    """What the doctor says of a backend other than TensorFlow, in one line."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        return None
    return (
        f"The backend is {backend}, so only what the model's flags and moving statistics show was examined, "
        "not its batches."
    )


def test_it_says_what_it_cannot_measure_and_changes_no_bit(rng):
    x, doctor = images(rng), tfbn.Doctor(batch_size=16)
    with pytest.warns(UserWarning, match="slow-momentum"):
        watched, losses = fit(x, doctor, momentum=0.999)
    plain, plain_losses = fit(x, momentum=0.999)
    assert (doctor.findings.names, doctor.findings[0].step) == (["slow-momentum"], None)
    assert doctor.unexamined == unexamined()
    assert losses == plain_losses
    for one, other in zip(watched.weights, plain.weights, strict=True):
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (one, other)))


def test_it_names_statistics_that_break_at_the_step_and_ends_nothing(rng):
    x, doctor = images(rng), tfbn.Doctor(batch_size=16)
    x[16 * 6] = np.inf
    with pytest.warns(UserWarning, match="broken-statistics"):
        _, losses = fit(x, doctor)
    [found] = [each for each in doctor.findings if each.name == "broken-statistics"]
    assert 7 <= found.step <= 10  # of the first epoch
    assert len(losses) == 2
    assert doctor.unexamined == unexamined()


class Behind(keras.callbacks.Callback):
    """Notes after which steps the variables are still those of an earlier one."""

    def __init__(self, model):
        super().__init__()
        self.watched, self.steps = model, []

    def on_train_batch_end(self, batch, logs=None):
        if not self.watched._jax_state_synced:
            self.steps.append(batch + 1)


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="JAX hands a state from step to step")
def test_on_jax_it_brings_variables_up_to_date_only_when_it_reads_them(rng):
    x, model = images(rng), network()
    behind = Behind(model)
    model.fit(x, x[:, :1], batch_size=16, verbose=0, callbacks=[tfbn.Doctor(batch_size=16), behind])
    assert behind.steps == [step for step in range(1, STEPS + 1) if step not in (1, 2, 5, 10)]
