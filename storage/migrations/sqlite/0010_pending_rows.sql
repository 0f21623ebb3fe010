-- Reports and samples of large commits, as they came, until they stand in their tables. Version 15 has arrivals instead.

CREATE TABLE pending_rows (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    batch BLOB NOT NULL            -- streams/codec.py
);
