"""The verbs of the command line: parse, call, print. `harness.cli.app` registers them; what they do
is elsewhere, and nothing heavy is imported before a verb is called.
"""
