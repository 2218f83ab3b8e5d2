"""What is said about BatchNorm and transfer learning: what holds, what does not, and what only if?"""
