"""PostgreSQL: accounts, talks, the log, clips, and wake-ups by NOTIFY."""
