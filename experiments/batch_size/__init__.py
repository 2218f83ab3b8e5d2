"""How large should a batch be for BatchNorm, and what does a small one cost?"""
