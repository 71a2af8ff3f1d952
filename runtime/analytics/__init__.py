"""The log as tables: exported to Parquet, asked by SQL.  DuckDB is known here only."""
