"""What is said of runs, in words and numbers: tables, comparisons, histories, nights. How it looks
is another folder's.
"""
