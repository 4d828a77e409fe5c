"""The confidence of a model in each field, and its calibration: how often it is right at a confidence."""
