"""Single decisions and adapters, without waiting and without the network."""
