"""Laws that hold for every input, each quoting the rule that it checks."""
