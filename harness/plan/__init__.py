"""What to measure, from the workloads' files to a seeded list of blocks. Pure."""
