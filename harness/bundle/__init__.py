"""The programs that run on every target: packed once, installed, and how a trial reports."""
