"""What every BatchNormalization layer of a model will do in `fit` and in `evaluate`."""
