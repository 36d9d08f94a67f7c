"""How it looks: formats, exports, charts, pages. What it says is decided in `harness.report`."""
