"""From measurements to statements: intervals, sentences, verdicts, plots."""
