"""What is known of the catalogue."""
