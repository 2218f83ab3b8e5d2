"""What experiments share: data, networks, ways to train and to measure."""
