"""A file's path to the views a model sees; this package knows no model."""
