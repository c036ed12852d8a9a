"""Programs that people use an effect with, beside the command line.

- `live`: hear an effect while it plays (`cak live`).
- `page`: a local server with a page to play and to train (`cak app`).
- `rate`: a local server with a page to rate sounds (`cak rate`).
- `web`: one HTML file that renders and plays in the browser (`cak export-web`).
- `notebook`: what the cells of `colab/*.ipynb` call.

The five do not import one another. What two of them need belongs into a lower room.
"""
