"""What every BatchNormalization layer of a model will do in `fit` and in `evaluate`.

Internal, except for the classes and functions that the reference lists; the entry point is `tfbn.audit`.
"""
