"""What a host shares with the other hosts of its fleet, and the decisions from it: pure."""
