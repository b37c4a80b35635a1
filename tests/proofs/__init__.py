"""The proofs: each promise of docs/reliability.md is tried here, a sample in `make test`, the whole in `make prove`."""
