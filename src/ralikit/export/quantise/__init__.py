"""From a float tower to one whose weights lie on the grids that a file can store."""
