"""Takes learners off Zoho People training batches in bulk, under the limit, with every row accounted for."""

__version__ = "0.1.0"
