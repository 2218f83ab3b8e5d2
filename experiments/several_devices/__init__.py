"""On several devices, are BatchNorm's statistics those of the joint batch?"""
