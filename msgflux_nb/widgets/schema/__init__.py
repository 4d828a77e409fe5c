"""SchemaPicker: pick or build the type that an answer is decoded to."""
