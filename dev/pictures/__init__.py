"""The pictures of the documents, made by `make pictures`: what is on them stands as data in the YAML files beside this."""
