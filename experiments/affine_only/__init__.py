"""Is it enough to train BatchNorm's gamma and beta, and a new layer on top?"""
