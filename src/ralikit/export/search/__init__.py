"""`--precision auto`: a type for every layer, picked among drafts."""
