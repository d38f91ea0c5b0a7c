"""Programs to read and to copy from; none of this is installed."""
