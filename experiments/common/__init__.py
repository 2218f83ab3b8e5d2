"""What all experiments share: config, flags, arms, data, runner, statistics, report."""
