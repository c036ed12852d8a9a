"""From a folder of sounds to clips, labels, constants, pairs and batches."""
