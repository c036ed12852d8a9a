"""Execute a notebook without a browser; no tests here.

python executing.py NOTEBOOK EXECUTED PARAMETERS.json

The kernel runs in EXECUTED's folder; the JSON's values take the place of those that the
cell tagged `parameters` assigns. Written even if a cell fails, which ends with 1.
"""

import ast
import json
import pathlib
import sys

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

# Values with which a notebook shows every part in seconds.
SMALLEST = {
    "train_your_effect": {"SIZE": "test", "SECONDS": 1.0, "AMOUNTS": (0.5,)},
    "play_with_effects": {"SECONDS": 1.0, "AMOUNTS": (0.5, 1.0), "STEPS": 2},
    "reproduce_the_paper": {"SIZE": "test", "CLIPS": 2},
}


def with_parameters(source: str, values: dict) -> str:
    """The cell with other values; a name that it does not assign is an error."""
    tree = ast.parse(source)
    assigned = {node.targets[0].id: node for node in tree.body}
    for name, value in values.items():
        assigned[name].value = ast.Constant(value)
    return ast.unparse(tree)


def execute(notebook, folder, values):
    cells = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", ())]
    (cell,) = cells
    cell.source = with_parameters(cell.source, values)
    client = NotebookClient(
        notebook, timeout=3600, resources={"metadata": {"path": str(folder)}}
    )
    client.execute()


def main(source, target, parameters) -> int:
    notebook = nbformat.read(source, as_version=4)
    target = pathlib.Path(target)
    values = json.loads(pathlib.Path(parameters).read_text("utf-8"))
    values = {n: tuple(v) if isinstance(v, list) else v for n, v in values.items()}
    try:
        execute(notebook, target.parent, values)
    except CellExecutionError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        nbformat.write(notebook, target)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
