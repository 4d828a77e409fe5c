"""Types that answers are decoded to, and the schemas sent for them."""
