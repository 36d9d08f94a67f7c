"""The verbs, one or a few that belong together in each module, and the options that they share.

A module here parses, calls and prints, and nothing else; it imports nothing heavy before its verb
is called. `harness.cli` registers them.
"""
