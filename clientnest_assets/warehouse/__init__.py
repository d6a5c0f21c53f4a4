"""The warehouse's raw schema: its tables out of the contracts, and loading the lake into them."""
