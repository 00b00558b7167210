"""Quality texts for labelled photos, from measurements or from a teacher."""
