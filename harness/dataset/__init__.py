"""Parquet tables derived from the ledgers; they can be deleted and built again."""
