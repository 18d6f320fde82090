"""The simulation: what an updater would have done to a host on the real history."""
