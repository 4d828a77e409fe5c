"""What is fed anything at all; ``make fuzz`` does so for ten minutes, the tests for one."""
