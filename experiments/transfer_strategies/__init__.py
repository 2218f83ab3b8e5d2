"""What of a pretrained network should train: everything, its last layers, or only a new layer on top?"""
