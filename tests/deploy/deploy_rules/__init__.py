"""What must hold of deploy/: each rule is a small function that yields a sentence for each place where it does not."""
