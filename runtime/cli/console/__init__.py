"""What the commands share: their options, the place that these name, and what comes in and goes out."""
