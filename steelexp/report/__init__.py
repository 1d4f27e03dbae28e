"""Reports: what run folders say, for people."""
