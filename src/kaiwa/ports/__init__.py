"""What the pipeline needs of the world, as Protocols; adapters implement them."""
