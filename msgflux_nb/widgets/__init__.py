"""What a person sees: views over the rooms above."""
