"""Users' accounts elsewhere: sealed secrets, and how they are connected, refreshed and used."""
