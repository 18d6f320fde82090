"""The outside world behind the ports: each adapter lets out one family of errors."""
