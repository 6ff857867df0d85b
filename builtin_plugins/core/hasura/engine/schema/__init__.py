"""The schema cache: tracked objects joined with the catalogue, and what each role may see of them."""
