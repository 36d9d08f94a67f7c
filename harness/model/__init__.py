"""The nouns of Baremark, a file each, as frozen dataclasses. Standard library only; nothing here
does anything. The words are those of the design document and are used in code, files, columns and
messages alike.
"""
