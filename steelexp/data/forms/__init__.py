"""Label forms that annotation tools write: one module with reader and writer for each."""
