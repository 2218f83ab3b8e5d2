"""Validation of arguments, files, batches of data, distribution strategies.

Internal, except for the classes and functions that the reference lists, such as `InputError`.
"""
