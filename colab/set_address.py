"""Write the repository's public address into the notebooks.

    python colab/set_address.py https://github.com/OWNER/NAME

Their install cells then install from there without a question, and their badges open
them on Colab. With "" in place of the address they ask for a wheel or a zip again.
"""

import pathlib
import re
import sys

FOLDER = pathlib.Path(__file__).parent
COLAB = "https://colab.research.google.com/github/"
ADDRESS = re.compile(r"(https://github\.com/([\w.-]+/[\w.-]+?))?(\.git)?/?")


def with_address(notebook: str, name: str, address: str) -> str:
    """Return the text of a notebook with an address in its install cell and badge.

    Args:
      notebook: the JSON text.
      name: of its file.
      address: https://github.com/OWNER/NAME, or "".

    Raises:
      ValueError: the address is another one.
    """
    found = ADDRESS.fullmatch(address)
    if found is None:
        raise ValueError(f"{address}: must be https://github.com/OWNER/NAME")
    address, repository = found[1] or "", found[2]
    badge = f"{COLAB}{repository}/blob/main/colab/{name}" if repository else COLAB
    notebook = re.sub(
        r'REPOSITORY = \\"[^"]*\\"', f'REPOSITORY = \\"{address}\\"', notebook
    )
    return re.sub(rf"\({COLAB}[^)]*\)", f"({badge})", notebook)


def main() -> None:
    """Change every notebook of this folder."""
    if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__)
    for path in sorted(FOLDER.glob("*.ipynb")):
        text = path.read_text("utf-8")
        path.write_text(with_address(text, path.name, sys.argv[1]), "utf-8")


if __name__ == "__main__":
    main()
