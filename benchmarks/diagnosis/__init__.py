"""What `tfbn.Doctor` finds in faults that are planted, and in healthy training."""
