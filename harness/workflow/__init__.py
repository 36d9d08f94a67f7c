"""Several stations in a row: a bench, a night, a selftest, a verification."""
