"""Rows of figures, their goals, and how they are shown."""

NATIVE, OURS = "native", "ours"


class Goal:
    """A limit for the handset's figure. `met` gets the row's values and returns None when what it compares with was not measured."""

    def __init__(self, text, met):
        self.text, self.met = text, met


def at_most(limit):
    return Goal(f"<= {limit:,}", lambda v: v[OURS] <= limit if OURS in v else None)


def over_native(percent):
    return Goal(f"<= {percent:g} % over native",
                lambda v: v[OURS] <= v[NATIVE] * (1 + percent / 100) if OURS in v and NATIVE in v else None)


def below(side):
    return Goal(f"below {side}", lambda v: v[OURS] < v[side] if OURS in v and side in v else None)


class Row:
    """One measured thing: {side: figure}. Smaller is better, whatever the unit. A side that does not have the thing is not in values."""

    def __init__(self, name, unit, values, goals=()):
        self.name, self.unit, self.values, self.goals = name, unit, values, goals

    def verdicts(self):
        return [(goal.text, goal.met(self.values)) for goal in self.goals]


def number(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if abs(value - round(value)) < 0.05 else f"{value:.1f}"


def ratio(row, side):
    if side not in row.values or OURS not in row.values or not row.values[side]:
        return "-"
    times = row.values[OURS] / row.values[side]
    return f"{times:.4f}" if 0.5 < times < 2 else f"{times:.2f}" if times < 10 else f"{times:.0f}"


def miss(row, goal):
    """A missed goal with what there is to explain."""
    over = "; ".join(f"{number(row.values[OURS] - row.values[side])} over {side}" for side in row.values if side != OURS)
    return f"{row.name}: {goal}; ours {number(row.values[OURS])} {row.unit}: {over}"


def _cells(row, sides):
    figures = [number(row.values[side]) if side in row.values else "-" for side in sides]
    ratios = [ratio(row, side) for side in sides if side != OURS]
    goals = "; ".join(f"{text}: {'met' if met else 'MISSED' if met is not None else 'not measured'}" for text, met in row.verdicts())
    return [row.name, row.unit, *figures, *ratios, goals]


def _head(sides):
    return ["", "unit", *sides, *(f"ours/{side}" for side in sides if side != OURS), "goal"]


def _used(rows, sides):
    return [side for side in sides if any(side in row.values for row in rows)]


def text(title, rows, sides, notes):
    sides = _used(rows, sides)
    lines = [_head(sides), *(_cells(row, sides) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    left = (0, 1, len(widths) - 1)
    shown = ["  ".join(c.ljust(w) if i in left else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths))).rstrip() for line in lines]
    return "\n".join([title, "", *shown, "", *(f"- {note}" for note in notes), ""])


def markdown(title, rows, sides, notes):
    sides = _used(rows, sides)
    head = _head(sides)
    align = ["---" if i in (0, 1, len(head) - 1) else "---:" for i in range(len(head))]
    lines = [head, align, *(_cells(row, sides) for row in rows)]
    return "\n".join([f"## {title}", "", *("| " + " | ".join(line) + " |" for line in lines), "", *(f"- {note}" for note in notes), ""])
