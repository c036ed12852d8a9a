"""The page that runs effects in a browser."""
