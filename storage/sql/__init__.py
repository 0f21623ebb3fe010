"""What is the same for every store that speaks SQL: rows to records and back. Only the SQL differs."""
