"""A network with two BatchNormalization layers in a file, for studies that mostly trace their network."""

import keras
import numpy as np

FEATURES = 16
LAYERS = 2  # of BatchNormalization
PARAMETERS = 3 * 3 * 8 + 2 * 8 + 3 * 3 * 8 * FEATURES + 2 * FEATURES  # that train


def saved(folder):
    """The path of a pretrained network of 28 x 28 gray images; its statistics are unlike the digits'."""
    keras.utils.set_random_seed(5)
    rng = np.random.default_rng(5)
    inputs = x = keras.Input((28, 28, 1))
    for number, (filters, stride) in enumerate([(8, 4), (FEATURES, 2)], start=1):
        x = keras.layers.Conv2D(filters, 3, stride, use_bias=False, name=f"conv{number}")(x)
        norm = keras.layers.BatchNormalization(name=f"bn{number}")
        x = keras.layers.ReLU()(norm(x))
        norm.moving_mean.assign(rng.normal(0, 0.3, filters))
        norm.moving_variance.assign(rng.uniform(0.3, 1.5, filters))
    path = folder / "small.keras"
    keras.Model(inputs, keras.layers.GlobalAveragePooling2D(name="pooled")(x), name="small").save(path)
    return str(path)
