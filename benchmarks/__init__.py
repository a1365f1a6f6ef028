"""What is fast, measured, with the bound and the peer of the same run beside it: `make bench`."""
