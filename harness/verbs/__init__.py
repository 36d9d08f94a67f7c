"""Verbs that stand in a module of their own, and the options that verbs share.

A module here parses, calls and prints, as `harness.cli` does, which registers them; it imports
nothing heavy before its verb is called.
"""
