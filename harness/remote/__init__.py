"""SSH: sessions, how they are opened, and the keys that open them."""
