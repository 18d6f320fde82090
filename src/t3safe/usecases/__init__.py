"""What a person or a timer asks for, over the ports."""
