"""Sound files in and out, with everything that they hold beside the samples."""
