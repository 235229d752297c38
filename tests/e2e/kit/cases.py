"""Marks for the runner (../run.py)."""


def cases(**by_name):
    """The test runs once for each, with the value as its arguments."""
    def mark(function):
        function.cases = by_name
        return function
    return mark


def alone(function):
    """Measures time or shares: nothing else runs beside it."""
    function.alone = True
    return function
