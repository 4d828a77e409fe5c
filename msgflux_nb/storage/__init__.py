"""What was paid for, on disk: answers by their request, rows and runs of a batch."""
