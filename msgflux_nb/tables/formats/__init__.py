"""Export of columns: Arrow, Parquet and Feather, CSV and Excel."""
