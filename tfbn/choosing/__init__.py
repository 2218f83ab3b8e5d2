"""Which BatchNormalization mode for a network and data: `tfbn.choose`."""
