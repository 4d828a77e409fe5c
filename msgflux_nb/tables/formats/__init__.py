"""How columns leave: Arrow, Parquet and Feather, CSV and Excel."""
