"""The lineage of a subject as a tree, a document and a picture."""
