"""Near-duplicates: images of one surface, whatever their size, crop, orientation and light."""
