"""What the tests of figures have in common; no tests here."""


def titled(figure):
    """Visible axes of a figure by their title."""
    return {
        axes.get_title("left"): axes for axes in figure.axes if axes.get_title("left")
    }


def lines_of(axes):
    """The vertical numbers of every line."""
    return [list(line.get_ydata()) for line in axes.get_lines()]
