"""What an effect does to sound, measured."""
