"""What several experiments share: networks, data, arms, training, evaluation."""
