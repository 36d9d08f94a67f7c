"""What a target is: seen from inside it and from its host."""
