"""The data reader: a process of its own that reads tables and checks expectations.

It reads CSV, TSV, Parquet, JSON lines and Feather with pyarrow, batch by batch, and checks each
batch with pandera. It executes nothing in the data: formats that can hold code (pickle, joblib,
NumPy's object arrays) are refused. Text columns are read as text and then converted to the declared
type, so that every batch has the same type; a value that cannot be converted is a finding.
"""
