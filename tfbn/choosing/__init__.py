"""Which BatchNormalization mode for a network and data: `tfbn.choose`.

Internal, except for the classes and functions that the reference lists; the entry point is `tfbn.choose`.
"""
