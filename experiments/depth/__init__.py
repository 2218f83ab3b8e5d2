"""Do deep networks need shortcuts, or BatchNorm, to be trained?"""
