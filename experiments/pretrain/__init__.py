"""Which weights do the transfer-learning experiments start from?"""
