"""Baremark: what a virtualization architecture costs against the bare metal under it."""

__version__ = "0.1.0"
