"""An effect while it plays."""
