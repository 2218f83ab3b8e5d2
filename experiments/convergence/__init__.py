"""Does BatchNorm speed up training, allow larger learning rates, and replace dropout?"""
