"""What things cost, as ratios of medians measured side by side in one run: machines are noisy, ratios are not."""
