"""SchemaPicker: the type that an answer is decoded to."""
