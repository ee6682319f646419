"""What a node's receipts are, and what they tell."""
