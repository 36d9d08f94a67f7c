"""What many runs say together: series over nights, known changes, shifts and whether they hold."""
