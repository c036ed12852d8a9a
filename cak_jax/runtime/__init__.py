"""What every command needs of the machine: console, signals, files, errors."""
