"""Where the program listens and keeps its data when nobody says."""

HTTP = "127.0.0.1:8080"
NTRIP = "127.0.0.1:2101"
DATA = "groundswell-data"
KAFKA = "127.0.0.1:9092"
