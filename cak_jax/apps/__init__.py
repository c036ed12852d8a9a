"""Programs with a face: live, page, web page, notebook."""
