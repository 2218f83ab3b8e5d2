"""Which part of a pretrained network should train: everything, its last layers, or a new layer on top?"""
