"""The reader of datasets: a process of its own that reads tables, never objects, and judges them.

It reads CSV, TSV, Parquet, JSON lines and Feather with pyarrow, piece by piece, and lets pandera
judge each piece by what is expected of its columns. It runs nothing of the data: formats that can
hold code (pickle, joblib, NumPy's arrays of objects) are refused. What a format leaves open is read
in one way: text columns are read as texts first, so that no piece can have another type than the
last; a column is what its declaration says or it has wrong values.
"""
