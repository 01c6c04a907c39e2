"""The `hygiene` command: parse, call one library function, print, translate errors."""
