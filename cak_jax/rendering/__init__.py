"""An effect on sound: in memory, in blocks, file to file, traced, live."""
