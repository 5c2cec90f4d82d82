"""The moving parts: task groups, bounded queues, cancellation."""
