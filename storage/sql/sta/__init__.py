"""SensorThings questions as SQL, for both databases: `queries.py` asks, `compiling.py` makes the SQL."""
