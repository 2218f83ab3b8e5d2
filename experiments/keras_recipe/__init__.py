"""Does base(x, training=False) keep BatchNorm in inference mode in the Keras installed here?"""
