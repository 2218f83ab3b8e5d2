"""The networks of keras.applications that have BatchNormalization, as small as they come."""

import keras
import numpy as np

from tfbn.graph.traversal import batch_normalizations

# Name -> least input size that the network takes.
SIZES = {
    "DenseNet121": 32,
    "DenseNet169": 32,
    "DenseNet201": 32,
    "EfficientNetB0": 32,
    "EfficientNetB1": 32,
    "EfficientNetB2": 32,
    "EfficientNetB3": 32,
    "EfficientNetB4": 32,
    "EfficientNetB5": 32,
    "EfficientNetB6": 32,
    "EfficientNetB7": 32,
    "EfficientNetV2B0": 32,
    "EfficientNetV2B1": 32,
    "EfficientNetV2B2": 32,
    "EfficientNetV2B3": 32,
    "EfficientNetV2L": 32,
    "EfficientNetV2M": 32,
    "EfficientNetV2S": 32,
    "InceptionResNetV2": 75,
    "InceptionV3": 75,
    "MobileNet": 32,
    "MobileNetV2": 32,
    "MobileNetV3Large": 32,
    "MobileNetV3Small": 32,
    "NASNetLarge": 331,
    "NASNetMobile": 224,
    "ResNet50": 32,
    "ResNet50V2": 32,
    "ResNet101": 32,
    "ResNet101V2": 32,
    "ResNet152": 32,
    "ResNet152V2": 32,
    "Xception": 71,
}
QUICK = ("MobileNetV2",)


def build(name: str) -> keras.Model:
    """The network with random weights, and statistics, gamma and beta that tell channels apart."""
    size = SIZES[name]
    include_top = name.startswith("NASNet")  # without a top these ask for weights' sizes
    model = getattr(keras.applications, name)(
        weights=None,
        input_shape=(size, size, 3),
        include_top=include_top,
        **({} if include_top else {"pooling": "avg"}),
    )
    rng = np.random.default_rng(0)
    for named in batch_normalizations(model):
        for variable in named.layer.weights:
            low, high = (-0.2, 0.2) if variable.name in ("beta", "moving_mean") else (0.5, 1.5)
            variable.assign(rng.uniform(low, high, variable.shape))
    return model


def images(name: str, number: int = 2) -> np.ndarray:
    """Random images of the network's size, values in [0, 1)."""
    size = SIZES[name]
    return np.random.default_rng(1).random((number, size, size, 3), np.float32)
