"""The pure core: values, rules and decisions, without any contact with the outside world."""
