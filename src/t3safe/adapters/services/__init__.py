"""What runs people's serves: systemd, plain processes, and commands of the host's owner."""
